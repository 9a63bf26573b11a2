"""`oars models pull` against a stand-in of a hub: nothing unasked, nothing unverified, nothing twice."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import COMMIT, REPO, StandIn, hub

from oars.hub import hub_model
from oars.miniature import MissingModel, miniature_path, resolve_model

MODEL = f"hf://{REPO}@{COMMIT}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    monkeypatch.setenv("OARS_HOME", str(tmp_path / "home"))
    with hub(miniature_path("judge")) as stand_in:
        stand_in.files["pytorch_model.bin"] = b"the same weights again"
        yield stand_in


def pull(server: StandIn, *arguments: str, path: str = MODEL, answer: str = "") -> subprocess.CompletedProcess[str]:
    """In a process of its own, since huggingface_hub reads its environment once."""
    profile = Path(os.environ["OARS_HOME"]).with_name("profile.yaml")
    profile.write_text(f"judge: {{path: {path!r}, max_pixels: 262144}}\n")
    environment = os.environ | {"HF_ENDPOINT": server.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "services.cli.main", "models", "pull", str(profile), *arguments]
    return subprocess.run(command, env=environment, input=answer, text=True, capture_output=True, timeout=120)


def test_a_model_is_pulled_verified_recorded_and_found(server: StandIn) -> None:
    with pytest.raises(MissingModel, match=r"judge: hf://.* is not here: `oars models pull"):
        resolve_model(MODEL, "judge")
    done = pull(server, "--yes")
    assert done.returncode == 0, done.stderr
    assert "licence apache-2.0" in done.stdout and "GB are free" in done.stdout
    directory = resolve_model(MODEL, "judge")
    for path in miniature_path("judge").iterdir():
        assert (directory / path.name).read_bytes() == path.read_bytes()
    assert not (directory / "pytorch_model.bin").exists() and not (directory / ".cache").exists()
    record = json.loads(hub_model(MODEL).record.read_text())
    assert record["commit"] == COMMIT and record["licence"] == "apache-2.0"
    assert record["sha256"].keys() == {path.name for path in miniature_path("judge").iterdir()}
    server.sent.clear()
    assert "all of them are here" in pull(server).stdout and server.sent == []


def test_nothing_is_fetched_without_a_yes(server: StandIn) -> None:
    assert pull(server, answer="n\n").returncode == 1
    assert server.sent == []


def test_a_spoiled_file_is_refused_and_fetched_again_alone(server: StandIn) -> None:
    server.spoiled.add("config.json")
    spoiled = pull(server, "--yes")
    assert spoiled.returncode == 2 and "error: config.json: digest" in spoiled.stderr
    with pytest.raises(MissingModel):
        resolve_model(MODEL, "judge")
    server.spoiled.clear()
    server.sent.clear()
    assert pull(server, "--yes").returncode == 0
    assert server.sent == ["config.json"]
    assert resolve_model(MODEL, "judge").is_dir()


def test_a_model_without_a_commit_is_told_the_newest(server: StandIn) -> None:
    done = pull(server, "--yes", path=f"hf://{REPO}")
    assert done.returncode == 2 and f"the newest is {MODEL}" in done.stderr and server.sent == []
    with pytest.raises(MissingModel, match="no commit"):
        resolve_model(f"hf://{REPO}@main", "judge")


def test_a_hub_that_does_not_answer_is_one_line(server: StandIn) -> None:
    missing = pull(server, path=f"hf://Org/Other@{COMMIT}")
    assert missing.returncode == 2 and missing.stderr.startswith("error: hf://Org/Other@")
    assert len(missing.stderr.strip().splitlines()) == 1
    assert "expected hf://ORGANISATION" in pull(server, path="hf://judge").stderr
