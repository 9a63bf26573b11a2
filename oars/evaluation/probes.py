"""Changes of known kind and strength, made to held-out ground truths, and what the judge makes of them.

A probe starts from the ground truth, as if an enhancer had restored it perfectly, and spoils it more and more. What
must fall is known without any metric: quality with blur, halos, grain, ringing and grids (what a generator makes when
it hacks a reward); fidelity with another colour, painted texture, an object that moved or another photo's content,
which may look fine by itself. `identity` is the LR, returned as it came.

Images are float32 [H, W, 3] in [0, 255]; a strength is in (0, 1].
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from oars.compass.data.artefacts import blurred, sharpened, to_pixels
from oars.compass.data.dataset import CuratedGroup
from oars.compass.formula import compass_reward
from oars.compass.judge import Judge
from oars.compass.views import lr_view
from oars.config.degradation import DegradationConfig
from oars.evaluation.intervals import Interval, bootstrap_mean
from oars.evaluation.records import LadderStep, ProbeRow
from oars.imaging.degradation import degrade
from oars.imaging.masks import disc_at, random_disc
from oars.seeds import derive_seed

Floats = NDArray[np.float32]
Values = NDArray[np.float64]
Pixels = NDArray[np.uint8]

STRENGTHS = (0.25, 0.5, 1.0)
LADDER = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Scene:
    """A held-out input: its ground truth and another photo's crop of the same size, [H, W, 3]."""

    lr: Pixels
    gt: Floats
    foreign: Floats


Change = Callable[[Scene, float, np.random.Generator], Floats]


def blur(scene: Scene, strength: float, rng: np.random.Generator) -> Floats:
    """Up to sigma 3 px."""
    return blurred(scene.gt, 3 * strength)


def oversharpening(scene: Scene, strength: float, rng: np.random.Generator) -> Floats:
    """Halos 1.5 px wide, of up to four times the local contrast."""
    return sharpened(scene.gt, 1.5, 4 * strength)


def grain(scene: Scene, strength: float, rng: np.random.Generator) -> Floats:
    """White noise of up to 24 levels."""
    return scene.gt + np.float32(24 * strength) * rng.normal(size=scene.gt.shape).astype(np.float32)


def ringing(scene: Scene, strength: float, rng: np.random.Generator) -> Floats:
    """Ripples of about 4 px beside edges: what lies between two blurs, added up to three times."""
    return scene.gt + np.float32(3 * strength) * (blurred(scene.gt, 0.8) - blurred(scene.gt, 1.6))


def checkerboard(scene: Scene, strength: float, rng: np.random.Generator) -> Floats:
    """Period 2, of up to 12 levels, as an upsampling layer leaves it."""
    y, x = np.indices(scene.gt.shape[:2])
    return scene.gt + np.float32(12 * strength) * (1 - 2 * ((x + y) % 2))[..., None].astype(np.float32)


def colour_shift(scene: Scene, strength: float, rng: np.random.Generator) -> Floats:
    """A cast of up to 40 levels, red against blue."""
    return scene.gt + np.float32(40 * strength) * np.array([1, 0, -1], np.float32)


def texture_painting(scene: Scene, strength: float, rng: np.random.Generator) -> Floats:
    """Fine oriented waves of up to 30 levels over part of the picture: detail that is in no photo."""
    y, x = np.indices(scene.gt.shape[:2])
    angle, phase = rng.uniform(0, np.pi), ndimage.gaussian_filter(rng.normal(size=scene.gt.shape[:2]), 5) * 12
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / 4 + phase)
    painted = random_disc(scene.gt.shape[:2], 0.35, rng) * wave[..., None]
    return scene.gt + np.float32(30 * strength) * painted.astype(np.float32)


def object_moved(scene: Scene, strength: float, rng: np.random.Generator) -> Floats:
    """Two round parts of the picture, of up to a quarter of its side in radius, change places."""
    return _exchanged(scene.gt, 0.25 * strength)


def foreign_content(scene: Scene, strength: float, rng: np.random.Generator) -> Floats:
    """A round part, of up to 0.45 of the side in radius, is another photo's."""
    mask = random_disc(scene.gt.shape[:2], 0.45 * strength, rng)
    return mask * scene.foreign + (1 - mask) * scene.gt


CHANGES: dict[str, Change] = {
    change.__name__.replace("_", " "): change
    for change in (
        blur,
        oversharpening,
        grain,
        ringing,
        checkerboard,
        colour_shift,
        texture_painting,
        object_moved,
        foreign_content,
    )
}


def scenes_of(groups: Sequence[CuratedGroup], count: int) -> list[Scene]:
    """Up to `count` with a ground truth, spread over the photos; the next one's lends its content."""
    known = [(group.lr, group.gt) for group in groups if group.gt is not None]
    every = max(1, len(known) // count)
    chosen = known[::every][:count]
    truths = [gt.astype(np.float32) for _, gt in chosen]
    return [Scene(lr, truths[i], truths[(i + 1) % len(truths)]) for i, (lr, _) in enumerate(chosen)]


def probe(judge: Judge, scenes: Sequence[Scene], gamma: float, seed: int = 0) -> list[ProbeRow]:
    """Identity, the ground truth (strength 0), and every change at every strength."""
    readings = np.array(
        [_readings(judge, scene, gamma, derive_seed("probe", seed, i)) for i, scene in enumerate(scenes)]
    )
    rows = [_row("identity", 0, readings[:, 0], None), _row("ground truth", 0, readings[:, 1], None)]
    for index, name in enumerate(CHANGES):
        for step, strength in enumerate(STRENGTHS):
            place = 2 + index * len(STRENGTHS) + step
            rows.append(_row(name, strength, readings[:, place], readings[:, place - 1 if step else 1]))
    return rows


def _readings(judge: Judge, scene: Scene, gamma: float, seed: int) -> Values:
    """[pictures, 3]: F, Q_SR, R of identity, ground truth and all changes."""
    height, width = scene.gt.shape[:2]
    # The same draws at every strength: only the strength differs.
    changed = [
        to_pixels(change(scene, strength, np.random.default_rng(seed)))
        for change in CHANGES.values()
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


def _exchanged(image: Floats, radius: float) -> Floats:
    """The discs around the middles of the left and right halves, exchanged."""
    height, width = image.shape[:2]
    size, shift = radius * min(height, width), width // 2
    there = np.roll(image, shift, axis=1)
    mask = sum(disc_at((height, width), height / 2, x, size) for x in (width / 4, 3 * width / 4))
    return np.asarray(mask * there + (1 - mask) * image, dtype=np.float32)
