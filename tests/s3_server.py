"""A server of this machine that speaks as much of S3 as reading needs, and serves the folders below one as buckets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class _Handler(BaseHTTPRequestHandler):
    root: Path
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        if not key:
            self._answer(200, self._listing(bucket, parse_qs(url.query)), {})
            return
        file = self.root / bucket / key
        if not file.is_file():
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>", {})
            return
        data, headers = file.read_bytes(), {"Last-Modified": formatdate(file.stat().st_mtime, usegmt=True)}
        if asked := self.headers.get("Range"):
            first, last = (int(end) for end in asked.removeprefix("bytes=").split("-"))
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            self._answer(206, data[first : last + 1], headers)
        else:
            self._answer(200, data, headers)

    def _listing(self, bucket: str, query: dict[str, list[str]]) -> bytes:
        """Of ListObjectsV2 with a slash as delimiter."""
        prefix = query.get("prefix", [""])[0]
        folder = self.root / bucket / prefix
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name) if folder.is_dir() else []
        told = "".join(
            f"<CommonPrefixes><Prefix>{escape(prefix + e.name)}/</Prefix></CommonPrefixes>"
            if e.is_dir()
            else f"<Contents><Key>{escape(prefix + e.name)}</Key><Size>{e.stat().st_size}</Size>"
            f"<LastModified>{datetime.fromtimestamp(e.stat().st_mtime, UTC).isoformat()}</LastModified></Contents>"
            for e in entries
        )
        count = f"<KeyCount>{len(entries)}</KeyCount><IsTruncated>false</IsTruncated>"
        return f"<ListBucketResult><Name>{bucket}</Name>{count}{told}</ListBucketResult>".encode()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def s3_server(root: Path) -> Iterator[str]:
    """Yields what follows the folder in a source: `s3://BUCKET/FOLDER` + this."""
    handler = type("Handler", (_Handler,), {"root": root})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"?endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=us-east-1"
        finally:
            server.shutdown()
            thread.join()
