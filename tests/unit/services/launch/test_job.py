"""What travels with a job, and that the way to the job server needs no proxy."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from oars.config import RunConfig
from services.launch import job
from services.launch.cluster import Cluster
from services.launch.job import AlignJob
from services.launch.upload import TooLarge, check_upload, is_checkout

ELSEWHERE = Cluster("http://head:8265", own=False)
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
    profile = tmp_path / "mine.yaml"
    profile.write_text("{}\n")

    def made() -> AlignJob:
        if command == "resume":
            return AlignJob.resume(tmp_path, [], ELSEWHERE)
        return AlignJob.begin(profile, [], "r1", RunConfig(), ELSEWHERE)

    monkeypatch.setattr(job, "ROOT", checkout)
    assert made().runtime_env["working_dir"] == str(checkout) and made().profile is None
    monkeypatch.setattr(job, "ROOT", tmp_path / "site-packages")
    installed = made()
    assert set(installed.runtime_env) == {"env_vars"}
    if command == "begin":
        assert installed.profile == profile and "--profile mine.yaml --run-id r1" in installed.entrypoint


def test_a_job_for_a_run_that_goes_on_has_a_name_of_its_own(tmp_path: Path) -> None:
    begun = AlignJob.begin(tmp_path / "p.yaml", [], "paper", RunConfig(), Cluster("http://127.0.0.1:1", own=True))
    assert begun.name.startswith("paper-") and "--run-id paper" in begun.entrypoint


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
    def do_GET(self) -> None:
        body = json.dumps({"version": "4", "ray_version": "2.60.0", "ray_commit": ""}).encode()
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


def test_the_job_server_is_reached_past_a_proxy(job_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, NOBODY)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "example.org")
    monkeypatch.setattr(job, "_SERVER_WAIT_S", 0.0)
    assert job._client(Cluster(job_server, own=True)).get_version() == "4"
