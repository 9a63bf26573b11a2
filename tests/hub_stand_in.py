"""A small hub over HTTP: the endpoints that huggingface_hub asks for one model, of a directory."""

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPO, COMMIT = "Org/Model", "c" * 40


class StandIn(http.server.ThreadingHTTPServer):
    def __init__(self, files: dict[str, bytes], licence: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.licence = files, licence
        self.sent: list[str] = []
        """Files whose content was asked for."""
        self.spoiled: set[str] = set()
        """Files that are sent with a changed byte."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def hub(directory: Path, licence: str = "apache-2.0") -> Iterator[StandIn]:
    files = {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    with StandIn(files, licence) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: StandIn

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._file(with_body=False)

    def do_GET(self) -> None:
        path, api = self.path.partition("?")[0], f"/api/models/{REPO}"
        if path in (api, f"{api}/revision/{COMMIT}"):
            self._json(self._info())
        elif path == f"{api}/tree/{COMMIT}":
            self._json([{"type": "file", "path": name, **entry} for name, entry in self._entries().items()])
        else:
            self._file(with_body=True)

    def _info(self) -> dict[str, Any]:
        siblings = [{"rfilename": name, "blobId": entry["oid"], **entry} for name, entry in self._entries().items()]
        return {"id": REPO, "sha": COMMIT, "siblings": siblings, "cardData": {"license": self.server.licence}}

    def _entries(self) -> dict[str, dict[str, Any]]:
        return {name: {"size": len(data), **_digest(name, data)} for name, data in self.server.files.items()}

    def _json(self, content: object) -> None:
        self._answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _file(self, with_body: bool) -> None:
        name = self.path.partition(f"/{REPO}/resolve/{COMMIT}/")[2]
        if name not in self.server.files:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data = self.server.files[name]
        digest = _digest(name, data)
        etag = digest["lfs"]["sha256"] if "lfs" in digest else digest["oid"]
        if with_body:
            self.server.sent.append(name)
            if name in self.server.spoiled:
                data = bytes([data[0] ^ 1]) + data[1:]
        self._answer(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, with_body)

    def _answer(self, status: int, data: bytes, headers: dict[str, str], with_body: bool = True) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(data)


def _digest(name: str, data: bytes) -> dict[str, Any]:
    """Of weights the SHA-256 of Git LFS, too."""
    blob = {"oid": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
    if not name.endswith(".safetensors"):
        return blob
    sha256 = hashlib.sha256(data).hexdigest()
    return blob | {"lfs": {"sha256": sha256, "oid": sha256, "size": len(data), "pointerSize": 130}}
