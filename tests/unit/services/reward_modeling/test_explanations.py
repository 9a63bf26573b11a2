"""Explanations over real HTTP: a small server that speaks the endpoint's format stands where a larger model would."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from compass_data import write_tiny_dataset

from oars.compass.data.dataset import read_groups
from oars.config.annotation import ExplanationsConfig
from services.reward_modeling.explanations import NoExplainer, explain_groups


class Endpoint(BaseHTTPRequestHandler):
    """Busy once, then answers with the number of pictures and the question's last word."""

    busy = 1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        content = body["messages"][0]["content"]
        pictures = [part for part in content if part["type"] == "image_url"]
        text = f" {body['model']} saw {len(pictures)} pictures: {content[-1]['text'][-9:]}\n"
        if Endpoint.busy > 0:
            Endpoint.busy -= 1
            self._answer(503, {"error": "busy"})
        elif body["model"] == "unknown":
            self._answer(404, {"error": "no such model"})
        else:
            self._answer(200, {"choices": [{"message": {"content": text}}]})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_every_kept_transition_is_explained_and_a_busy_endpoint_is_asked_again(url: str, tmp_path: Path) -> None:
    write_tiny_dataset(tmp_path, groups=4)
    groups = list(read_groups(tmp_path))
    Endpoint.busy = 1
    rows = explain_groups(ExplanationsConfig(url=url, model="m"), groups)
    assert {(row["input_id"], row["enhancer"]) for row in rows} == {
        (group.input_id, name) for group in groups if group.kept for name in group.enhancers
    }
    assert all(row["text"] == "m saw 2 pictures: invented." for row in rows)


def test_an_endpoint_that_refuses_or_is_away_is_one_line(url: str, tmp_path: Path) -> None:
    write_tiny_dataset(tmp_path, groups=1)
    groups = list(read_groups(tmp_path))
    with pytest.raises(ExceptionGroup) as refused:
        explain_groups(ExplanationsConfig(url=url, model="unknown"), groups)
    assert any("404" in str(error) for error in refused.value.exceptions)
    assert all(isinstance(error, NoExplainer) for error in refused.value.exceptions)
