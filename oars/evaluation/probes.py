"""Changes of known kind and strength, made to held-out ground truths, and what the judge makes of them.

A probe starts from the ground truth, as if an enhancer had restored it perfectly, and spoils it more and more. What
must fall is known without any metric: quality with blur, halos, grain, ringing and lattices of any period (what a
generator makes when it hacks a reward); fidelity with another colour, painted texture, an object that moved or another
photo's content, which may look fine by itself. `identity` is the LR, returned as it came. Training ladders
(`oars/compass/training/ladders.py`) draw from the same library of perturbations, but from other photos.

Images are float32 [H, W, 3] in [0, 255]; a strength is in (0, 1].
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from oars.compass.data.dataset import CuratedGroup
from oars.compass.formula import compass_reward
from oars.compass.judge import Judge
from oars.compass.views import lr_view
from oars.config.degradation import DegradationConfig
from oars.evaluation.intervals import Interval, bootstrap_mean
from oars.evaluation.records import LadderStep, ProbeRow
from oars.imaging import perturbations
from oars.imaging.degradation import degrade
from oars.imaging.perturbations import Floats, Perturbation, Pixels, to_pixels
from oars.seeds import derive_seed

Values = NDArray[np.float64]

STRENGTHS = (0.25, 0.5, 1.0)
LATTICE_PERIODS = (2, 4, 8, 16, 32)
"""Pixels: an upsampling layer's, a patch of the latent's (2 of 8 px), and their multiples."""
LADDER = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Scene:
    """A held-out input: its ground truth and another photo's crop of the same size, [H, W, 3]."""

    lr: Pixels
    gt: Floats
    foreign: Floats


def changes(foreign: Floats) -> dict[str, Perturbation]:
    """The perturbations of a ground truth, each at every one of STRENGTHS; `foreign` is another photo's, [H, W, 3]."""
    lattices = {f"lattice {period} px": partial(perturbations.lattice, period=period) for period in LATTICE_PERIODS}
    return {
        "blur": perturbations.blur,
        "oversharpening": perturbations.oversharpening,
        "grain": partial(perturbations.grain, channels=3),
        "ringing": perturbations.ringing,
        "checkerboard": perturbations.checkerboard,
        **lattices,
        "colour shift": partial(perturbations.colour_shift, direction=(1, 0, -1)),
        "texture painting": perturbations.texture_painting,
        "object moved": perturbations.object_moved,
        "foreign content": partial(perturbations.foreign_content, foreign=foreign),
    }


def scenes_of(groups: Sequence[CuratedGroup], count: int) -> list[Scene]:
    """Up to `count` with a ground truth, spread over the photos; the next one's lends its content."""
    known = [(group.lr, group.gt) for group in groups if group.gt is not None]
    every = max(1, len(known) // count)
    chosen = known[::every][:count]
    truths = [gt.astype(np.float32) for _, gt in chosen]
    return [Scene(lr, truths[i], truths[(i + 1) % len(truths)]) for i, (lr, _) in enumerate(chosen)]


def probe(
    judge: Judge, scenes: Sequence[Scene], gamma: float, seed: int = 0, probed: Callable[[], None] = lambda: None
) -> list[ProbeRow]:
    """Identity, the ground truth (strength 0), and every change at every strength; `probed` is called after each
    scene."""
    read = []
    for i, scene in enumerate(scenes):
        read.append(_readings(judge, scene, gamma, derive_seed("probe", seed, i)))
        probed()
    readings = np.array(read)
    rows = [_row("identity", 0, readings[:, 0], None), _row("ground truth", 0, readings[:, 1], None)]
    for index, name in enumerate(changes(scenes[0].foreign)):
        for step, strength in enumerate(STRENGTHS):
            place = 2 + index * len(STRENGTHS) + step
            rows.append(_row(name, strength, readings[:, place], readings[:, place - 1 if step else 1]))
    return rows


def _readings(judge: Judge, scene: Scene, gamma: float, seed: int) -> Values:
    """[pictures, 3]: F, Q_SR, R of identity, ground truth and all changes."""
    height, width = scene.gt.shape[:2]
    # The same draws at every strength: only the strength differs.
    changed = [
        to_pixels(change(scene.gt, strength, np.random.default_rng(seed)))
        for change in changes(scene.foreign).values()
        for strength in STRENGTHS
    ]
    pictures = np.stack([lr_view(scene.lr, height, width), to_pixels(scene.gt), *changed])
    return np.array(
        [
            (r.fidelity, r.q_sr, compass_reward(r.fidelity, r.q_lr, r.q_sr, gamma))
            for r in judge.score(scene.lr, pictures)
        ]
    )


def _row(name: str, strength: float, now: Values, before: Values | None) -> ProbeRow:
    means = now.mean(0)
    falls = [None] * 3 if before is None else [_falls(now[:, c], before[:, c]) for c in range(3)]
    return ProbeRow(
        probe=name,
        strength=strength,
        fidelity=float(means[0]),
        q_sr=float(means[1]),
        reward=float(means[2]),
        fidelity_falls=falls[0],
        q_sr_falls=falls[1],
        reward_falls=falls[2],
    )


def _falls(now: Values, before: Values) -> Interval:
    return bootstrap_mean((now < before).astype(float).tolist())


def ladder(judge: Judge, scenes: Sequence[Scene], scale: int, seed: int = 0) -> list[LadderStep]:
    """Q_LR of each scene's ground truth under the published degradation, from only reduced to full strength."""
    values = np.array(
        [_ladder_values(judge, scene, scale, derive_seed("ladder", seed, i)) for i, scene in enumerate(scenes)]
    )
    return [
        LadderStep(
            strength=strength,
            q_lr=bootstrap_mean(values[:, step].tolist()),
            falls=_falls(values[:, step], values[:, step - 1]) if step else None,
        )
        for step, strength in enumerate(LADDER)
    ]


def _ladder_values(judge: Judge, scene: Scene, scale: int, seed: int) -> list[float]:
    gt = to_pixels(scene.gt)
    config = DegradationConfig()
    inputs = [degrade(gt, config.at_strength(strength), seed, scale) for strength in LADDER]
    return [judge.score(lr, gt[None])[0].q_lr for lr in inputs]
