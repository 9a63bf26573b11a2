"""One COMPASS for all tests of a session that need it: the real Serve and vLLM on a judge with random weights.

Import the fixtures `sharp_judge` and `compass` by name, or `exchange`: a second COMPASS, whose judge a test may
exchange. Whoever comes first deploys; `ray_cluster` ends both.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from oars.config import JudgeConfig, RewardClientConfig
from reward_server.client import CompassClient

APP = "compass"
EXCHANGE = "exchange"
SIDE = 96  # pixels of an SR candidate


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
        score_cache=0,  # each test sees an answer of the engine
        min_confidence=0,
    )


@pytest.fixture(scope="session")
def sharp_judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge with random weights whose answers differ from picture to picture; a newly built one answers alike."""
    import torch
    from safetensors.torch import load_file, save_file

    from oars.compass.judge_card import JUDGE_LABELS
    from oars.compass.miniature.judge_model import build_judge

    # Not a directory of the fixture's own: each importing module has its own copy of the fixture.
    directory = tmp_path_factory.getbasetemp() / "sharp-judge"
    if not directory.exists():
        build_judge(directory, seed=7)
        weights, draw = directory / "model.safetensors", torch.Generator().manual_seed(0)
        tensors = load_file(weights)
        for name, tensor in sorted(tensors.items()):
            if tensor.ndim >= 2:
                tensor += torch.randn(tensor.shape, generator=draw) * (0.2 if name == "lm_head.weight" else 0.05)
        save_file(tensors, weights, metadata={"format": "pt"})
        # A wide scale of measured fidelity, so that random pictures of a random generator are told apart.
        scale = {"stlpips": 1.5, "structure": 1.5, "colour": 60.0, "jod": 2.0}
        (directory / JUDGE_LABELS).write_text(json.dumps(scale))
    return directory


def exchanged_config(directory: Path) -> JudgeConfig:
    """The same, with a memory for answers: what `exchange` serves."""
    return judge_config(directory).model_copy(update={"score_cache": 64})


@pytest.fixture(scope="session")
def compass(ray_cluster: None, sharp_judge: Path) -> CompassClient:
    _deploy_once(judge_config(sharp_judge), APP)
    return CompassClient(RewardClientConfig(app=APP, deadline_s=60))


@pytest.fixture(scope="session")
def exchange(ray_cluster: None, sharp_judge: Path) -> RewardClientConfig:
    """Which judge it serves depends on the tests before; `sharp_judge` if there were none."""
    _deploy_once(exchanged_config(sharp_judge), EXCHANGE)
    return RewardClientConfig(app=EXCHANGE, deadline_s=60)


def _deploy_once(judge: JudgeConfig, app: str) -> None:
    """Unless the application runs, with whatever judge."""
    from ray import serve

    from services.launch.serving import deploy

    status = serve.status().applications.get(app)
    if status is None or status.status != "RUNNING":
        deploy(judge, app)


@pytest.fixture
def impatient_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deployed from now on has one start to come up in, and a second to go in."""
    from services.launch import serving

    config = serving.serve_config()
    for application in config["applications"]:
        for deployment in application["deployments"]:
            deployment |= {"max_constructor_retry_count": 1, "graceful_shutdown_timeout_s": 1}
    monkeypatch.setattr(serving, "serve_config", lambda: config)
