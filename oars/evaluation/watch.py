"""What a look at the watched crops measures, and how far it is from the first look: the levels that alarms go by.

The watched crops are fixed pairs of training photos, restored every few RL steps with the same noise, so two looks
differ by the policy alone. `measured` is one look at the outputs; `levels` compares two looks, crop by crop. Pure;
ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from oars.config.alarms import ALARMS, AlarmName
from oars.imaging.crops import Pair
from oars.metrics.lattice import PERIODS, colour_speckle, lattice_power
from oars.metrics.pixel import psnr
from oars.metrics.place import place

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

Measures = tuple[dict[str, list[float]], dict[int, float]]
"""`crops` (without what sampling and the judge say) and `lattice` of a look."""

_TOLERANCES = {"psnr": -0.2, "stlpips": 0.01, "cvvdp": -0.1}
"""Change for the worse that a user would accept for pictures that look better: dB, distance, JOD (as the acceptance of
an alignment has them)."""
_JUDGED: tuple[AlarmName, ...] = ("divergence", "confidence")
_REPEATS = 8
"""Times that a lattice has to fit into a side of an output."""
_LUMA = np.array([0.299, 0.587, 0.114])
_CB_CR = np.array([[-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])


class Look(BaseModel):
    """Measures of the outputs of one policy version."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    step: int
    """RL optimiser steps done."""
    crops: dict[str, list[float]]
    """One value a crop, in their order: psnr, stlpips, cvvdp, speckle, speckle_gt, luma, cb, cr (levels, output less
    LR), down, right (pixels), zoom, diversity (levels), x0_norm, velocity_norm, reward, confidence."""
    lattice: dict[int, float] = Field(default_factory=dict)
    """Power of the outputs' common lattice by period, squared grey levels."""
    judge: str = ""
    """Digest of the judge that gave reward and confidence, where it tells one."""

    def of(self, name: str) -> Floats:
        return np.array(self.crops[name])


def measured(images: Sequence[Pixels], pairs: Sequence[Pair]) -> Measures:
    """What pictures say. `images`: of each pair its K >= 2 outputs, uint8 [K, H, W, 3], H and W of at least 64.

    The lattice is looked for in each pair's first output, since outputs of one LR share more than a lattice, at the
    periods that an output holds often: where a few crops hold a long one three times, content looks like a lattice.
    """
    rows = [_of_crop(outputs, pair) for outputs, pair in zip(images, pairs, strict=True)]
    first = [outputs[0] for outputs in images]
    side = min(min(output.shape[:2]) for output in first)
    periods = [period for period in PERIODS if _REPEATS * period <= side]
    return {name: [row[name] for row in rows] for name in rows[0]}, {p: lattice_power(first, p) for p in periods}


def _of_crop(outputs: Pixels, pair: Pair) -> dict[str, float]:
    """Means over the outputs."""
    # Here, because it loads network weights.
    from oars.metrics.perceptual import cvvdp_batch, stlpips_batch

    assert pair.gt is not None
    gt = np.broadcast_to(pair.gt, outputs.shape)
    shift = outputs.mean((0, 1, 2)) - pair.lr.mean((0, 1))
    where = np.mean([place(output, pair.lr) for output in outputs], axis=0)
    return {
        "psnr": float(np.mean([psnr(output, pair.gt) for output in outputs])),
        "stlpips": float(stlpips_batch(outputs, gt[:1]).mean()),
        "cvvdp": float(cvvdp_batch(outputs, gt).mean()),
        "speckle": float(np.mean([colour_speckle(output) for output in outputs])),
        "speckle_gt": colour_speckle(pair.gt),
        "luma": float(_LUMA @ shift),
        **dict(zip(("cb", "cr"), (_CB_CR @ shift).tolist(), strict=True)),
        **dict(zip(("down", "right", "zoom"), where.tolist(), strict=True)),
        "diversity": float(outputs.std(0, ddof=1).mean()),
    }


def compared(looks: Sequence[Look], now: Look) -> dict[AlarmName, float]:
    """`levels` against the first of the `looks` so far. Those that the judge's readings make are against the first look
    by the same judge, since another one has a scale of its own: 0 at its first."""
    same = next((look for look in looks if look.judge == now.judge), now)
    return levels(looks[0], now) | {name: level for name, level in levels(same, now).items() if name in _JUDGED}


def levels(first: Look, now: Look) -> dict[AlarmName, float]:
    """One level an alarm, at least 0; 0 is no change for the worse."""
    moved = {name: now.of(name) - first.of(name) for name in first.crops}
    gained = {period: now.lattice[period] - first.lattice[period] for period in first.lattice}
    allowed = np.maximum(first.of("speckle"), now.of("speckle_gt"))
    shift = np.hypot(np.median(now.of("down")), np.median(now.of("right")))
    found: Mapping[AlarmName, Any] = {
        "divergence": _divergence(moved),
        "lattice": np.sqrt(max(0.0, *gained.values())),
        "speckle": np.maximum(0, now.of("speckle") - allowed).mean(),
        "brightness": abs(moved["luma"].mean()),
        "colour": np.hypot(moved["cb"].mean(), moved["cr"].mean()),
        "shift": shift,
        "zoom": abs(np.median(now.of("zoom")) - 1),
        "x0_norm": _relative(first, now, "x0_norm"),
        "velocity_norm": _relative(first, now, "velocity_norm"),
        "diversity": max(0.0, 1 - now.of("diversity").mean() / max(first.of("diversity").mean(), 1e-9)),
        "confidence": max(0.0, -moved["confidence"].mean()),
    }
    return {name: float(found[name]) for name in ALARMS}


def _divergence(moved: Mapping[str, Floats]) -> float:
    """Median loss of what sees the ground truth, in tolerances; 0 unless the reward rose."""
    if moved["reward"].mean() <= 0:
        return 0.0
    losses = [_beyond_chance(moved[name] / tolerance) for name, tolerance in _TOLERANCES.items()]
    return max(0.0, float(np.median(losses)))


def _beyond_chance(loss: Floats) -> float:
    """The mean less its standard error."""
    return float(loss.mean() - loss.std(ddof=1) / np.sqrt(len(loss)))


def _relative(first: Look, now: Look, name: str) -> float:
    return float(abs(now.of(name).mean() / max(first.of(name).mean(), 1e-9) - 1))
