"""`python -m benchmarks.candidates --photos FOLDER`: do a group's candidates differ, and does the reward order them?

A rollout worker with an untrained adapter draws K = 8 candidates of the same train crops for each width of
`rollout.exploration`. Each candidate is measured against its ground truth and gets the reward of FR-RL: measured
fidelity, and the embedded judge's qualities. A pair counts as told apart from a hundredth of ST-LPIPS or a tenth of a
JOD on. What a run can gain is at most what choosing by the reward gains here. No evaluation photo is looked at.
"""

import argparse
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.result import RESULTS, Result, write_result
from oars.alignment.messages import RolloutRequest
from oars.compass.formula import compass_reward
from oars.compass.judge import Judge
from oars.config import RunConfig, load_profile
from oars.config.cluster import ExplorationConfig
from oars.deployment import deploy_path
from oars.generator.policy import Policy, load_transformer
from oars.imaging.crops import training_pair
from oars.imaging.photos import find_photos
from oars.metrics.panel import full_reference
from oars.miniature import resolve_model
from oars.seeds import derive_seed
from rollout_workers.worker import RolloutWorker
from services.control.measured_fidelity import judge_labels, measured_fidelity

WIDTHS = {
    "none": ExplorationConfig(),
    "noise": ExplorationConfig(noise_scale=(0.6, 1.4)),
    "sharpness": ExplorationConfig(sharpness=(-0.4, 0.4)),
    "both": ExplorationConfig(noise_scale=(0.6, 1.4), sharpness=(-0.4, 0.4)),
}
APART = {"stlpips": 0.01, "cvvdp": 0.1}
SIGN = {"stlpips": -1, "cvvdp": 1}
"""Times a metric, more is better."""

Values = NDArray[np.float64]
Table = dict[str, Values]
"""Of each metric and of `reward`, float64 [groups, K]."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", default="all", help="the run's `data.photos`")
    parser.add_argument("--count", type=int, default=24, help="groups of each width")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for candidates.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    profile = load_profile(deploy_path("profiles/tiny.yaml"), [f"data.photos={given.photos}"])
    found = {name: summary(measured(profile, width, given.count)) for name, width in WIDTHS.items()}
    for name, figures in found.items():
        print(name, {key: round(value, 4) for key, value in figures.items()})
    differ = [found[name]["stlpips apart"] for name in ("both", "none")]
    outcome = Result(name="candidates", value=differ[0], unit="share of pairs", baseline=differ[1], details=found)
    print(write_result(outcome, given.results))


def measured(profile: RunConfig, width: ExplorationConfig, count: int) -> Table:
    """`count` groups drawn with `width`."""
    config = profile.model_copy(update={"rollout": profile.rollout.model_copy(update={"exploration": width})})
    policy = Policy(load_transformer(config.generator), config.generator, ("old",), config.seed)
    worker, judge = RolloutWorker(config, "rollout-0"), Judge.load(resolve_model(config.judge.path, "judge"))
    worker.install(policy.snapshot("old", 0))
    labels, photos = judge_labels(config.judge), find_photos(config.data.photos, "train")
    rows: list[dict[str, list[float]]] = []
    for index in range(count):
        pair, seed = training_pair(photos, config.data, 0, index), derive_seed("candidates", index)
        assert pair.gt is not None
        request = RolloutRequest(f"group-{index}", 0, pair.lr, seed, config.rollout.candidates, 0, explores=True)
        _, images, _ = worker.sample(request)
        fidelity = measured_fidelity(images, pair.gt, labels)
        read = judge.score(pair.lr, images)
        rewards = [compass_reward(f, each.q_lr, each.q_sr) for f, each in zip(fidelity, read, strict=True)]
        panel: list[dict[str, Any]] = [full_reference(image, pair.gt) for image in images]
        rows.append({name: [each[name] for each in panel] for name in panel[0]} | {"reward": rewards})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def summary(table: Table) -> dict[str, float]:
    """Of each metric: its mean; the share of pairs that it tells apart, and of these the share that the reward orders
    as it does; what the candidate of the highest reward has beyond the group's mean."""
    best = table["reward"].argmax(1)
    found = {"reward spread": float(table["reward"].std(1).mean())}
    for name, least in APART.items():
        values = table[name]
        told, ordered = _pairs(values, table["reward"] * SIGN[name], least)
        chosen = values[np.arange(len(best)), best] - values.mean(1)
        found |= {f"{name} apart": told, f"{name} ordered": ordered}
        found |= {name: float(values.mean()), f"{name} of the best by reward": float(chosen.mean())}
    return found


def _pairs(values: Values, order: Values, least: float) -> tuple[float, float]:
    """Share of pairs at least `least` apart; of them, the share in the same order by `order`, NaN without any."""
    pairs = np.array(list(combinations(range(values.shape[1]), 2))).T
    by_value, by_order = (each[:, pairs[0]] - each[:, pairs[1]] for each in (values, order))
    told = np.abs(by_value) >= least
    same = (by_value * by_order > 0)[told]
    return float(told.mean()), float(same.mean()) if len(same) else float("nan")


if __name__ == "__main__":
    main()
