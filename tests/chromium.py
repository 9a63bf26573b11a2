"""A headless Chromium of the system, driven over the DevTools protocol: opens a page, presses keys, asks JavaScript."""

import base64
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATH = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_DEADLINE_S = 60
_KEYS = {"ArrowLeft": 37, "ArrowRight": 39, "ArrowDown": 40, "Backspace": 8, " ": 32}


class Page:
    """One tab."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._last = socket, 0

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv(timeout=_DEADLINE_S))).get("id") != self._last:
            pass  # events
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def evaluate(self, expression: str) -> Any:
        """Value of JavaScript; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Until a JavaScript expression is true, looked at with each frame."""
        seconds = _DEADLINE_S / 2
        held = self.evaluate(
            f"new Promise(done => {{ const end = Date.now() + {seconds * 1000}; (function look() {{"
            f"let held = false; try {{ held = Boolean({condition}); }} catch {{}}"
            f"if (held || Date.now() > end) done(held); else setTimeout(look, 10); }})(); }})"
        )
        assert held, f"not true in {seconds} s: {condition}"

    def press(self, key: str) -> None:
        code = _KEYS.get(key, ord(key[0].upper()))
        text = {} if len(key) > 1 else {"text": key}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def open(self, url: str) -> None:
        self.call("Page.enable")
        self.call("Page.navigate", url=url)
        self.wait_for(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A browser with a profile of its own in `folder`; it has ended when this returns."""
    from websockets.sync.client import connect

    assert PATH is not None
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command = [PATH, *options, "--remote-debugging-port=0", f"--user-data-dir={folder}", "--window-size=1280,800"]
    with subprocess.Popen(
        [*command, "about:blank"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as own:
        assert own.stderr is not None
        line = next(line for line in own.stderr if "DevTools listening on" in line)
        address = line.split("ws://")[1].split("/")[0]
        with urllib.request.urlopen(f"http://{address}/json", timeout=_DEADLINE_S) as answer:
            target = next(one for one in json.load(answer) if one["type"] == "page")
        with connect(target["webSocketDebuggerUrl"], max_size=None) as socket:
            page = Page(socket)
            try:
                yield page
            finally:
                page.call("Browser.close")
        own.stderr.read()  # to its end, or the browser may wait for a reader
