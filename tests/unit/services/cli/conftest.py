"""Commands that must end before they look for a cluster."""

import pytest

from services.launch import cluster


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that would start or join one fails the test."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for name in ("LocalHead", "_join"):
        monkeypatch.setattr(cluster, name, lambda *_: pytest.fail("a cluster was wanted"))
