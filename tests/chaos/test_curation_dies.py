"""Curation that is killed with kill -9, twice, goes on where it was and ends with the bytes of an undisturbed one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import ray
import yaml
from compass_data import curated_groups
from PIL import Image

from oars.compass.data.dataset import Manifest, read_manifest
from oars.config.curation import load_curation
from services.reward_modeling.curation import curate
from services.run.progress import Lines

PATIENCE_S = 240.0


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A config of 12 inputs in 4 shards times 3 enhancers, one of them slow."""
    rng = np.random.default_rng(0)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(10):
        small = rng.integers(0, 255, (12, 12, 3)).astype(np.uint8)
        Image.fromarray(small).resize((96, 96), Image.Resampling.BICUBIC).save(photos / f"photo{number}.png")
    tree = {
        "crop": 48,
        "shard": 3,
        "synthetic": {"photos": [str(photos)], "counts": {"train": 12}},
        "enhancers": [
            {"name": "bicubic", "kind": "classical", "method": "bicubic"},
            {
                "name": "slow",
                "kind": "callable",
                "target": "tests.compass_data:slow_copy",
                "family": "regression",
                "licence": "-",
            },
            {"name": "artefacts", "kind": "artefacts"},
        ],
        "pools": {"default": {"actors": 1}},
    }
    path = tmp_path / "curation.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def start(config: Path, out: Path) -> subprocess.Popen[bytes]:
    address = ray.get_runtime_context().gcs_address
    command = [sys.executable, "-m", "services.cli.main", "compass", "curate", "--config", str(config)]
    return subprocess.Popen([*command, "--out", str(out), "--address", address], stderr=subprocess.DEVNULL)


def shards(out: Path) -> dict[Path, int]:
    """Finished shards, and the file that each is."""
    return {path: path.stat().st_ino for path in out.rglob("*.parquet")}


def kill_once_there_are(count: int, config: Path, out: Path) -> dict[Path, int]:
    process = start(config, out)
    deadline = time.monotonic() + PATIENCE_S
    while len(shards(out)) < count and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was still at work"
    return shards(out)


def run_to_its_end(config: Path, out: Path) -> None:
    process = start(config, out)
    try:
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()


def test_killed_twice_it_ends_with_the_same_bytes_and_redoes_nothing(
    settings: Path, tmp_path: Path, ray_cluster: None
) -> None:
    out, calm = tmp_path / "killed", tmp_path / "calm"
    first = kill_once_there_are(2, settings, out)
    second = kill_once_there_are(9, settings, out)
    assert first.items() <= second.items() and not (out / "manifest.json").exists()
    run_to_its_end(settings, out)
    final = shards(out)
    assert second.items() <= final.items(), "finished shards are the very files that they were"
    undisturbed: Manifest = curate(load_curation(settings), calm, Lines())
    assert read_manifest(out).digest == undisturbed.digest and len(undisturbed.shards) == len(final) == 16
    assert [group.input_id for group in curated_groups(out)] == [group.input_id for group in curated_groups(calm)]
