"""The served judge against the transformers forward pass of the same directory."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import torch
from served_judge import compass, group, sharp_judge

from oars.compass.judge import Judge
from oars.compass.outcome import Judged
from reward_server.client import CompassClient

pytestmark = pytest.mark.engine

__all__ = ["compass", "sharp_judge"]  # fixtures
FIELDS = ("fidelity", "q_lr", "q_sr")
# In float32. A tenth of what is promised, because a random judge's answers differ little between pictures.
TOLERANCE = 1e-3


@pytest.mark.parametrize("side", [64, 96, 128])
def test_served_scores_equal_the_forward_pass(compass: CompassClient, sharp_judge: Path, side: int) -> None:
    lr, candidates = group(side, 4, side)
    reference = Judge.load(sharp_judge, dtype=torch.float32).score(lr, candidates)
    outcomes = asyncio.run(compass.score(f"parity-{side}", lr, candidates)).outcomes
    served = [outcome.readings for outcome in outcomes if isinstance(outcome, Judged)]
    assert len(served) == len(reference)
    ours = np.array([[one[name] for name in FIELDS] for one in served])
    theirs = np.array([[getattr(reading, name) for name in FIELDS] for reading in reference])
    np.testing.assert_allclose(ours, theirs, atol=TOLERANCE, rtol=0)
    confidences = [one["confidence"] for one in served]
    np.testing.assert_allclose(confidences, [reading.confidence.share for reading in reference], atol=TOLERANCE, rtol=0)
    # A judge that answers alike to every picture would prove nothing.
    assert np.ptp(theirs[:, [0, 2]], axis=0).min() > 10 * TOLERANCE
