"""A head that is not there, or hangs, is known within a deadline; stand-ins of heads listen on ports."""

import socket
import subprocess
import sys

import pytest

from services.launch import joining
from services.launch.joining import join, withdraw

JOINS = """
import sys
from services.launch.joining import join
join(sys.argv[1], "oars", float(sys.argv[2]))
"""


def test_a_head_that_is_gone_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining.ray, "init", lambda **_: pytest.fail("Ray was asked, for minutes"))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr(joining, "read_ray_address", lambda: gone)
    for address in (gone, "auto", "[::1]:1", "no.such.host.invalid:6379"):
        assert join(address, "oars") is None
    monkeypatch.setattr(joining, "read_ray_address", lambda: None)
    assert join("auto", "oars") is None


def test_a_head_that_hangs_ends_the_command_with_one_line() -> None:
    """It listens, as a stopped process does, and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        address = f"127.0.0.1:{hangs.getsockname()[1]}"
        ended = subprocess.run([sys.executable, "-c", JOINS, address, "0.5"], capture_output=True, text=True)
    [line] = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert ended.returncode == 2 and f"the Ray cluster at '{address}' lets nobody in within 0.5 s" in line
    assert "Traceback" not in ended.stderr


def test_a_cluster_that_answers_is_joined_and_the_watch_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining.ray, "init", lambda **given: given)
    monkeypatch.setattr(joining, "_end", lambda *_: pytest.fail("the watch went on"))
    with socket.create_server(("127.0.0.1", 0)) as answers:
        address = f"127.0.0.1:{answers.getsockname()[1]}"
        assert join(address, "run")["namespace"] == "run"
    assert join("ray://host.invalid:10001", "run")["address"] == "ray://host.invalid:10001"


@pytest.mark.parametrize(("remembered", "forgotten"), [("192.0.2.1:6", True), ("192.0.2.1:7", False), (None, False)])
def test_a_head_that_ends_is_found_no_more_and_another_one_is(
    monkeypatch: pytest.MonkeyPatch, remembered: str | None, forgotten: bool
) -> None:
    calls = []
    monkeypatch.setattr(joining, "read_ray_address", lambda: remembered)
    monkeypatch.setattr(joining, "reset_ray_address", lambda: calls.append(remembered))
    withdraw("127.0.0.1:6")
    assert bool(calls) is forgotten
