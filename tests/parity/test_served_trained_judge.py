"""A trained judge as vLLM serves it, against what its trainer reads: transformers, under the trainer's autocast."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from served_judge import judge_config

from oars.compass.judge import Judge
from oars.compass.outcome import Judged
from oars.config import RewardClientConfig
from oars.imaging.photos import find_photos
from oars.miniature import miniature_path
from reward_server.client import CompassClient

pytestmark = pytest.mark.engine

APP = "compass-trained"
SIDE = 96
FIELDS = ("fidelity", "q_lr", "q_sr")
# F spans 1, Q spans 4. In bfloat16 a logit has about three digits, so a reading moves by hundredths.
TOLERANCE = {"float32": (1e-3, 4e-3), "bfloat16": (0.03, 0.12)}


def transitions() -> list[tuple[np.ndarray, np.ndarray]]:
    """Three real crops: the LR by a reduction of their own, so that Q_LR differs; candidates from it, the crop itself,
    that with noise, and noise alone, which keeps nothing of the LR: a low F."""
    groups = []
    photos = find_photos("packages", "evaluation")
    for index, (photo, scale) in enumerate(zip(photos, (2, 4, 12), strict=True)):
        pixels = photo.pixels()
        top, left = (length // 2 - SIDE // 2 for length in pixels.shape[:2])
        gt = pixels[top : top + SIDE, left : left + SIDE]
        lr = gt.reshape(SIDE // scale, scale, SIDE // scale, scale, 3).mean((1, 3)).astype(np.uint8)
        rng = np.random.default_rng(index)
        noisy = np.clip(gt + rng.normal(0, 15, gt.shape), 0, 255).astype(np.uint8)
        noise = rng.integers(0, 256, gt.shape, dtype=np.uint8)
        groups.append((lr, np.stack([lr.repeat(scale, 0).repeat(scale, 1), gt, noisy, noise])))
    return groups


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def served(ray_cluster: None, request: pytest.FixtureRequest) -> Iterator[tuple[str, CompassClient]]:
    from ray import serve

    from services.launch.serving import deploy

    config = judge_config(miniature_path("judge")).model_copy(update={"dtype": request.param})
    deploy(config, APP)
    yield request.param, CompassClient(RewardClientConfig(app=APP, deadline_s=60))
    serve.delete(APP)


def test_the_served_judge_gives_the_numbers_that_the_trainer_saw(served: tuple[str, CompassClient]) -> None:
    dtype, client = served
    # As in training: float32 weights, and bfloat16 arithmetic by autocast where the config says so.
    judge = Judge.load(miniature_path("judge"), torch.float32)
    ours, theirs = [], []
    for index, (lr, candidates) in enumerate(transitions()):
        outcomes = asyncio.run(client.score(f"trained-{dtype}-{index}", lr, candidates)).outcomes
        read = [outcome.readings for outcome in outcomes if isinstance(outcome, Judged)]
        assert len(read) == len(outcomes)
        ours += [[one[name] for name in FIELDS] for one in read]
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            theirs += [[getattr(reading, name) for name in FIELDS] for reading in judge.score(lr, candidates)]
    difference = np.abs(np.array(ours) - np.array(theirs)).max(0)
    fidelity, quality = TOLERANCE[dtype]
    assert difference[0] < fidelity and difference[1:].max() < quality, difference
    spread = np.ptp(theirs, axis=0)
    assert spread[0] > 4 * fidelity and spread[1:].min() > 4 * quality, "the readings differ from picture to picture"
