"""What a cluster of our own needs of its user is said before it starts."""

from pathlib import Path

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
