"""What a cluster of our own needs of its user is said before it starts, and what its nodes have of their user."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.launch import cluster
from services.launch.placement import CannotPlace


def test_a_home_that_cannot_be_written_is_one_line_naming_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cluster, "LocalHead", lambda *_: pytest.fail("a head was started"))
    with pytest.raises(cluster.NoCluster, match=f"^HOME={tmp_path}/file: .*RAY_AUTH_TOKEN_PATH"):
        cluster._start(1, 1.0)


def test_what_makes_a_start_useless_is_said_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise CannotPlace("1 GPUs wanted")

    monkeypatch.setattr(cluster, "LocalHead", lambda *_: pytest.fail("a head was started"))
    with pytest.raises(CannotPlace, match="1 GPUs wanted"), cluster.cluster(1, None, before_start=refused):
        pass


@pytest.mark.parametrize("address", ["auto", "127.0.0.1:6"])
def test_who_finds_a_cluster_is_told_that_another_command_may_end_it(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = SimpleNamespace(address_info={"address": "127.0.0.1:6"}, dashboard_url="127.0.0.1:7")
    monkeypatch.setattr(cluster, "join", lambda *_: found)
    with cluster.cluster(1, address) as joined:
        assert joined == cluster.Cluster("http://127.0.0.1:7")
    line = "joined this machine's Ray cluster, 127.0.0.1:6; if a command started it, it ends with that\n"
    assert capsys.readouterr().out == (line if address == "auto" else "")


def test_the_nodes_of_a_cluster_of_our_own_keep_the_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's environment is that of its node: what it fetches from outside needs the company's proxy."""
    given = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    given |= {"no_proxy": "example.org", "RAY_AUTH_MODE": "disabled"}
    for name, value in (given | {name: os.environ.get(name, "") for name in ("PATH", "PYTHONPATH")}).items():
        monkeypatch.setenv(name, value)  # the last two are written to, and restored after the test
    nodes: list[dict[str, str]] = []

    def started(_: int, environment: dict[str, str]) -> None:
        nodes.append(environment)
        raise cluster.NoCluster("far enough")

    monkeypatch.setattr(cluster, "LocalHead", started)
    with pytest.raises(cluster.NoCluster, match="far enough"), cluster.cluster(1, None):
        pass
    assert {name: nodes[0].get(name) for name in given} == given
