"""`python -m benchmarks.styles --photos FOLDER`: where does a reward lead among the base's styles, before any training?

The styles (oars/generator/miniature/styles.py) are applied to what the pre-restorer makes of train crops: no model
draws. Within each group, rewards and metrics are regressed on the codes of the styles. That is the first order of what
a run can do: the policy learns to shift the codes, in the direction of the reward. No evaluation photo is looked at.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.result import RESULTS, Result, write_result
from benchmarks.scoring import Table, Values, rewards
from oars.compass.judge import Judge
from oars.config import RunConfig, load_profile
from oars.deployment import deploy_path
from oars.generator.miniature.pool import Pictures
from oars.generator.miniature.styles import CODES, Style, styled, styles_of
from oars.generator.pre_restoration import PreRestorer, resize
from oars.imaging.crops import training_pair
from oars.imaging.photos import find_photos
from oars.metrics.measured import panel
from oars.miniature import resolve_model
from oars.seeds import derive_seed
from services.control.measured_fidelity import judge_labels, measured_fidelity

STRENGTHS, STYLES, SHIFT = (0.0, 0.5, 1.0), 16, 0.6
"""`STYLES` a group; `SHIFT`: about what a run of the demo moves the codes by, standard deviations."""


def main() -> None:
    given = asked(__doc__)
    codes = np.random.default_rng(derive_seed("styles", 0)).standard_normal((given.crops, STYLES, CODES))
    found: dict[float, dict[str, Values]] = {}
    for strength in STRENGTHS:
        table = measured_styles(given.profile, strength, [styles_of(torch.from_numpy(row)) for row in codes])
        found[strength] = {name: effects(codes, values) for name, values in table.items()}
    details = {by: shifted(found, by) for by in ("reward", "judged")}
    details |= {f"strength {strength}": listed(of) for strength, of in found.items()}
    for name, rows in details.items():
        print(name, *(f"{metric:>10} {row}" for metric, row in rows.items()), sep="\n")
    gain = float(np.mean(details["reward"]["stlpips"]))
    outcome = Result(name="styles", value=gain, unit="ST-LPIPS along FR-RL's reward", details=details)
    print(write_result(outcome, given.results))


class Asked(NamedTuple):
    """What a measurement of styles is asked for on the command line."""

    profile: RunConfig
    crops: int
    """Train crops, of each strength."""
    results: Path


def asked(description: str | None) -> Asked:
    """The command line's options. One thread computes from then on."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--photos", default="all", help="the run's `data.photos`")
    parser.add_argument("--count", type=int, default=16, help="train crops of each strength")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result's JSON")
    given = parser.parse_args()
    torch.set_num_threads(1)
    profile = load_profile(deploy_path("profiles/tiny.yaml"), [f"data.photos={given.photos}"])
    return Asked(profile, given.count, given.results)


def measured_styles(profile: RunConfig, strength: float, styles: Sequence[Sequence[Style]]) -> Table:
    """Of one train crop for each row of `styles`: its pictures in these, measured and judged; [crops, styles] each."""
    data = profile.data.model_copy(update={"strength": (strength, strength)})
    restorer, judge = (
        PreRestorer(profile.generator.pre_restoration),
        Judge.load(resolve_model(profile.judge.path, "judge")),
    )
    labels, photos = judge_labels(profile.judge), find_photos(data.photos, "train")
    rows: list[dict[str, list[float]]] = []
    for index, row in enumerate(styles):
        pair = training_pair(photos, data, profile.seed, index)
        assert pair.gt is not None
        size = pair.gt.shape[:2]
        pictures = Pictures(restorer.restore([pair.lr], *size)[0], resize(pair.lr, *size))
        images = np.stack([styled(pictures, style) for style in row])
        read, fidelity = judge.score(pair.lr, images), measured_fidelity(images, pair.gt, labels)
        readings = {"f": list(fidelity)} | {name: [getattr(each, name) for each in read] for name in ("q_lr", "q_sr")}
        panels = [panel(image, pair.gt, ()) for image in images]
        shown = {name: [each[name] for each in panels] for name in panels[0]}
        rows.append(rewards(profile, fidelity, read) | readings | shown)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def effects(codes: Values, values: Values) -> Values:
    """What one standard deviation of each code changes, [CODES]: least squares within groups."""
    within = codes - codes.mean(1, keepdims=True), values - values.mean(1, keepdims=True)
    found: Values = np.linalg.lstsq(within[0].reshape(-1, codes.shape[-1]), within[1].ravel())[0]
    return found


def shifted(found: dict[float, dict[str, Values]], by: str) -> dict[str, list[float]]:
    """Change of each metric at each strength if the codes move by `SHIFT` along the mean gradient of reward `by`."""
    gradient = np.mean([of[by] for of in found.values()], axis=0)
    step = SHIFT * gradient / np.linalg.norm(gradient)
    names = next(iter(found.values()))
    return {name: [round(float(of[name] @ step), 4) for of in found.values()] for name in names}


def listed(of: dict[str, Values]) -> dict[str, list[float]]:
    return {name: [round(float(one), 4) for one in values] for name, values in of.items()}


if __name__ == "__main__":
    main()
