"""The documented curl command works on a real picture, with the tools that Linux and macOS both have."""

import base64
import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DOCS = Path(__file__).parents[3] / "docs"


def blocks(page: str, word: str) -> list[str]:
    """The page's code blocks that have this word."""
    found = re.findall(r"^```\w*\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in found if word in block]


class _Recorder(http.server.BaseHTTPRequestHandler):
    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def recorder() -> Iterator[tuple[str, list[bytes]]]:
    class Handler(_Recorder):
        bodies: list[bytes] = []  # noqa: RUF012

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", Handler.bodies
        server.shutdown()
        thread.join()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_command_sends_a_picture_of_200_kb(recorder: tuple[str, list[bytes]], tmp_path: Path) -> None:
    address, bodies = recorder
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    for name in ("low.png", "restored.png"):
        Image.fromarray(noise).save(tmp_path / name)
    picture = (tmp_path / "low.png").read_bytes()
    assert len(picture) > 200_000
    [command] = blocks("reward-service.md", "curl ")
    command = re.sub(r"https://judge:8000", address, command)
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [body] = bodies
    request = json.loads(body)
    assert base64.b64decode(request["lr"]) == base64.b64decode(request["candidates"][0]) == picture


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_no_page_has_options_that_one_systems_tools_alone_know(page: str) -> None:
    for block in blocks(page, ""):
        assert not re.search(r"base64 -w|mktemp --|readlink -f|sed -i |stat -c|date -d", block)
