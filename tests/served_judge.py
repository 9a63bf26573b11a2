"""One COMPASS for all tests of a session that need it: the real Serve and vLLM on a judge with random weights.

Import the fixtures `sharp_judge` and `compass` by name. Whoever comes first deploys; `ray_cluster` ends it.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from oars.config import JudgeConfig, RewardConfig
from reward_server.client import CompassClient

APP = "compass"
SIDE = 96  # pixels of an SR candidate
_DIRECTORY = Path(tempfile.gettempdir()) / f"oars-sharp-judge-{os.environ['OARS_TEST_SESSION'][:12]}"


def photo(seed: int, side: int = SIDE) -> NDArray[np.uint8]:
    """A smooth random picture uint8 [side, side, 3], different for each seed."""
    noise = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3), np.uint8)
    return noise.repeat(8, 0).repeat(8, 1)


def group(seed: int, candidates: int, side: int = SIDE) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """LR uint8 [side / 4, side / 4, 3] and candidates uint8 [K, side, side, 3]."""
    return photo(seed)[::4, ::4], np.stack([photo(seed * 100 + k + 1, side) for k in range(candidates)])


def judge_config(directory: Path) -> JudgeConfig:
    """Exact enough to compare: float32. Random weights put little mass on score tokens, so any confidence will do."""
    return JudgeConfig(
        path=str(directory),
        dtype="float32",
        max_model_len=1024,
        max_num_seqs=16,
        enforce_eager=True,
        max_pixels=65536,
        max_candidates=8,
        reward=RewardConfig(min_confidence=0),
    )


@pytest.fixture(scope="session")
def sharp_judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random judge whose output layer is scaled up, so that its answers differ more from picture to picture."""
    from safetensors.torch import load_file, save_file

    from oars.compass.judge_model import build_judge

    if not _DIRECTORY.exists():
        build_judge(_DIRECTORY, seed=7)
        weights = _DIRECTORY / "model.safetensors"
        tensors = load_file(weights)
        tensors["lm_head.weight"] = tensors["lm_head.weight"] * 3
        save_file(tensors, weights, metadata={"format": "pt"})
    return _DIRECTORY


@pytest.fixture(scope="session")
def compass(ray_cluster: None, sharp_judge: Path) -> CompassClient:
    from ray import serve

    from oars.config import RewardClientConfig
    from services.cli.serve import deploy

    status = serve.status().applications.get(APP)
    if status is None or status.status != "RUNNING":
        deploy(judge_config(sharp_judge), APP)
    return CompassClient(RewardClientConfig(app=APP, deadline_s=60))
