"""A job carries its config and its code; its driver reads the config back; the job server needs no proxy."""

import http.server
import json
import os
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from oars.config import RunConfig, load_profile
from oars.deployment import deploy_path
from services.launch import driver, job
from services.launch.cluster import Cluster
from services.launch.driver import main
from services.launch.job import AlignJob
from services.launch.upload import TooLarge, check_upload, is_checkout
from services.run.beginning import begin_run
from services.run.run_directory import SENT_CONFIG, claimed

ELSEWHERE = Cluster("http://head:8265")
HEAD = "127.0.0.1:6379"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "services").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    (root / "services" / "align.py").write_bytes(b"x" * 100)
    return root


@pytest.mark.parametrize("command", ["begin", "resume"])
def test_the_code_of_a_checkout_travels_and_an_installed_package_does_not(
    command: str, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> AlignJob:
        if command == "resume":
            return AlignJob.resume(tmp_path, RunConfig(), ELSEWHERE)
        return AlignJob.begin(RunConfig(), "r1", ELSEWHERE)

    monkeypatch.setattr(job, "ROOT", checkout)
    assert made().runtime_env["working_dir"] == str(checkout)
    monkeypatch.setattr(job, "ROOT", tmp_path / "site-packages")
    assert set(made().runtime_env) == {"env_vars"}


def config(runs: Path) -> RunConfig:
    return load_profile(deploy_path(), [f"runs={runs}", "seed=7"])


@pytest.mark.parametrize("own", [HEAD, None])
def test_a_job_carries_the_resolved_config_and_the_head_that_was_started_for_it(
    tmp_path: Path, own: str | None
) -> None:
    begun = AlignJob.begin(config(tmp_path), "paper", Cluster("http://127.0.0.1:8265", own))
    words = ["-m", "services.launch.driver", "--sent-config", "--run-id", "paper"]
    assert shlex.split(begun.entrypoint)[1:] == words + (["--address", HEAD] if own else [])
    assert begun.name.startswith("paper-"), "a job's name is used once"
    sent = begun.runtime_env["env_vars"]
    assert isinstance(sent, dict) and RunConfig.model_validate_json(sent[SENT_CONFIG]) == config(tmp_path)


def test_the_driver_takes_the_config_that_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = begin_run(config(tmp_path), "paper")
    monkeypatch.setenv(SENT_CONFIG, config(tmp_path).model_dump_json())
    with claimed(there):  # so that it ends before it looks for a cluster
        assert main(["--sent-config", "--run-id", "paper"]) == 2
    assert "being driven" in capsys.readouterr().err, "the run was found, and its config is the same"
    monkeypatch.setenv(SENT_CONFIG, config(tmp_path).model_copy(update={"seed": 8}).model_dump_json())
    assert main(["--sent-config", "--run-id", "paper"]) == 2
    assert "seed: 7, not 8" in capsys.readouterr().err


def test_a_driver_joins_the_cluster_that_it_is_told_before_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6380")
    asked: list[str] = []
    monkeypatch.setattr(driver, "join", lambda address, namespace: asked.append(address))
    words = ["--profile", str(deploy_path()), "--set", f"runs={tmp_path}", "--run-id", "one"]
    assert [main([*words, "--address", HEAD]), main(words)] == [2, 2]
    assert asked == [HEAD, "127.0.0.1:6380"]
    assert f"no Ray cluster at {HEAD!r}" in capsys.readouterr().err


def test_a_driver_without_a_config_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--run-id", "paper"]) == 2
    assert capsys.readouterr().err == "error: give --profile, or --resume RUN\n"


def test_a_checkout_with_a_large_file_beside_the_code_is_one_line_naming_it(checkout: Path) -> None:
    with (checkout / "weights.bin").open("wb") as file:
        file.truncate(600 * 2**20)  # takes no room on the disk
    with pytest.raises(TooLarge, match=r"600 MiB would travel .* Ray takes 512: weights\.bin 600 MiB, services/ 0 MiB"):
        check_upload(checkout, [])
    check_upload(checkout, ["/weights.bin"])
    (checkout / ".gitignore").write_text("*.bin\n")
    check_upload(checkout, [])


def test_our_own_checkout_travels() -> None:
    assert is_checkout(job.ROOT)


class _JobServer(http.server.BaseHTTPRequestHandler):
    submitted: ClassVar[list[dict[str, Any]]] = []

    def do_GET(self) -> None:
        self._answer({"version": "4", "ray_version": "2.60.0", "ray_commit": ""})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.submitted.append(asked)
        self._answer({"job_id": asked["submission_id"], "submission_id": asked["submission_id"]})

    def _answer(self, said: dict[str, str]) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def job_server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _JobServer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A company's variables: nobody answers at the proxy."""
    names = ("http_proxy", "https_proxy", "all_proxy")
    given = {name: NOBODY for lower in names for name in (lower, lower.upper())}
    for name, value in (given | {"no_proxy": "example.org", "NO_PROXY": "example.org"}).items():
        monkeypatch.setenv(name, value)
    return given


@pytest.mark.parametrize("own", [HEAD, None])
def test_a_job_is_submitted_past_a_proxy_and_keeps_the_proxies_of_its_nodes(
    own: str | None, job_server: str, proxies: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "ROOT", tmp_path / "site-packages")  # so that no code travels
    monkeypatch.setattr(job, "_SERVER_WAIT_S", 0.0)
    where = Cluster(job_server, own)
    name = job.submit(where, AlignJob.begin(config(tmp_path), "paper", where))
    submitted = next(asked for asked in _JobServer.submitted if asked["submission_id"] == name)
    sent = submitted["runtime_env"]["env_vars"]
    assert SENT_CONFIG in sent and not [variable for variable in sent if "proxy" in variable.lower()]
    assert {variable: os.environ.get(variable) for variable in proxies} == proxies
    assert os.environ["no_proxy"] == "example.org,127.0.0.1"
