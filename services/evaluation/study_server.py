"""Serves a study's page and collects its votes over HTTP, for raters who have a token.

    GET  /?token=T     the page                     GET /votes     the rater's own votes, JSON
    POST /votes        one vote, JSON: {"trial", "choice": "a" | "b" | "tie", "milliseconds"}

`/votes` wants `Authorization: Bearer T`. A vote is on disk when it is answered with 204. Put a TLS proxy before it
where the network is not trusted: tokens travel as they are.
"""

import json
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from oars.evaluation.study_records import Study, Vote
from services.evaluation.study_files import PAGE
from services.evaluation.votes import Votes

_MOST_BYTES = 4096
"""A vote has about a hundred."""
_TIMEOUT_S = 30


def make_server(folder: Path, study: Study, votes: Votes, host: str, port: int) -> ThreadingHTTPServer:
    """A server that is bound and not yet running; port 0 takes a free one. Raises OSError."""
    page, trials = (folder / PAGE).read_bytes(), {trial.id for trial in study.trials}

    class Handler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT_S

        def do_GET(self) -> None:
            path = urlsplit(self.path)
            if path.path == "/":
                [token] = parse_qs(path.query).get("token", [""])[:1]
                known = votes.rater(token) is not None
                self._answer(*((HTTPStatus.OK, page) if known else _NO_TOKEN), kind="text/html; charset=utf-8")
            elif path.path == "/votes" and (rater := self._rater()) is not None:
                own = [vote.model_dump(include={"trial", "choice", "milliseconds"}) for vote in votes.of(rater)]
                self._answer(HTTPStatus.OK, json.dumps(own).encode())
            else:
                self._answer(*(_NO_TOKEN if path.path == "/votes" else _NOTHING))

        def do_POST(self) -> None:
            rater = self._rater()
            if rater is None or self.path != "/votes":
                return self._answer(*(_NO_TOKEN if self.path == "/votes" else _NOTHING))
            vote = self._vote(rater)
            if vote is None or vote.trial not in trials:
                return self._answer(HTTPStatus.BAD_REQUEST, b"no vote on a trial of this study\n")
            votes.add(vote)
            return self._answer(HTTPStatus.NO_CONTENT, b"")

        def _rater(self) -> str | None:
            kind, _, token = self.headers.get("Authorization", "").partition(" ")
            return votes.rater(token) if kind == "Bearer" else None

        def _vote(self, rater: str) -> Vote | None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > _MOST_BYTES:
                return None
            try:
                told = json.loads(self.rfile.read(int(length)))
                return Vote.model_validate(told | {"rater": rater} if isinstance(told, dict) else told)
            except ValueError:  # pydantic's is one, too
                return None

        def _answer(self, status: HTTPStatus, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """A line a request, with its token, belongs in no log."""

    return ThreadingHTTPServer((host, port), Handler)


def addresses(host: str, port: int, tokens: Sequence[str]) -> list[str]:
    """One link a rater."""
    return [f"http://{host}:{port}/?token={token}" for token in tokens]


_NO_TOKEN = (HTTPStatus.FORBIDDEN, b"this link has no valid token\n")
_NOTHING = (HTTPStatus.NOT_FOUND, b"nothing here\n")
