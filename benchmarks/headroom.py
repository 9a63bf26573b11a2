"""`python -m benchmarks.headroom --photos FOLDER`: what could a run gain, before any run?

A rollout worker with an untrained adapter draws K = 8 candidates of train crops. Two questions, each in figures against
the first candidate: do candidates differ, and does the reward of FR-RL order them, or that of the judge alone? And what
would a plain edit of the picture change in each metric and in the reward: the policy could learn such an edit.
`condition` is the picture that the editor starts from, `codec` that one through the VAE and back, `coarse of ...` the
candidate with the coarse contents (sigma 4 px) of another picture. No evaluation photo is looked at.
"""

import argparse
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.result import RESULTS, Result, write_result
from benchmarks.scoring import Table, Values, rewards
from oars.alignment.messages import RolloutRequest
from oars.compass.judge import Judge
from oars.config import RunConfig, load_profile
from oars.deployment import deploy_path
from oars.generator.codec import Codec
from oars.generator.policy import Policy, load_pipeline, load_transformer
from oars.generator.pre_restoration import PreRestorer, resize
from oars.imaging.crops import Pair, training_pair
from oars.imaging.perturbations import blurred, sharpened, to_pixels
from oars.imaging.photos import find_photos
from oars.metrics.panel import full_reference
from oars.miniature import resolve_model
from oars.seeds import derive_seed
from rollout_workers.worker import RolloutWorker
from services.control.measured_fidelity import judge_labels, measured_fidelity

APART = {"stlpips": 0.01, "cvvdp": 0.1, "psnr": 0.1}
SIGN = {"stlpips": -1, "cvvdp": 1, "psnr": 1}
"""Times a metric, more is better."""
COARSE = 4.0

Pixels = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", default="all", help="the run's `data.photos`")
    parser.add_argument("--count", type=int, default=24, help="groups")
    parser.add_argument(
        "--strength", type=float, default=1.0, help="of the degradation: 1 is published, 0 only reduces"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for headroom.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    profile = load_profile(deploy_path("profiles/tiny.yaml"), [f"data.photos={given.photos}"])
    data = profile.data.model_copy(update={"strength": (given.strength, given.strength)})
    profile = profile.model_copy(update={"data": data})
    names, table = measured(profile, given.count)
    candidates = profile.rollout.candidates
    details: dict[str, Any] = {"strength": given.strength, "groups": given.count}
    drawn = {name: values[:, :candidates] for name, values in table.items()}
    details["candidates"] = summary(drawn)
    details["by the judge alone"] = summary(drawn | {"reward": drawn["judged"]})
    details["edits"] = {
        name: {metric: change(values, candidates + at) for metric, values in table.items()}
        for at, name in enumerate(names)
    }
    for name, row in details["edits"].items():
        print(f"{name:18}", "  ".join(f"{metric} {mean:+.3f} +- {error:.3f}" for metric, (mean, error) in row.items()))
    for name in ("candidates", "by the judge alone"):
        print(name, {figure: round(value, 3) for figure, value in details[name].items()})
    told = details["candidates"]["stlpips apart"]
    outcome = Result(name="headroom", value=told, unit="share of pairs told apart", details=details)
    print(write_result(outcome, given.results))


def edits(pair: Pair, candidates: Pixels, condition: Pixels, codec: Codec) -> dict[str, Pixels]:
    """Plain edits of the first candidate, and pictures to compare it with."""
    assert pair.gt is not None
    height, width = pair.gt.shape[:2]
    own, sources = candidates[0].astype(np.float32), {"LR": resize(pair.lr, height, width), "GT": pair.gt}
    again = codec.decode(codec.encode(condition[None]), codec.grid(height, width))[0]
    found = {"condition": condition, "codec": again, "mean of candidates": to_pixels(candidates.mean(0))}
    found |= {f"sharpness {amount:+}": to_pixels(sharpened(own, 1.0, amount)) for amount in (-0.3, 0.3)}
    found |= {
        f"contrast {factor}": to_pixels((own - own.mean((0, 1))) * factor + own.mean((0, 1))) for factor in (0.95, 1.05)
    }
    coarse = {name: blurred(image.astype(np.float32) - own, COARSE) for name, image in sources.items()}
    return found | {f"coarse of the {name}": to_pixels(own + difference) for name, difference in coarse.items()}


def measured(profile: RunConfig, count: int) -> tuple[list[str], Table]:
    """Names of the edits, and the table of `count` groups: K candidates, then the edits."""
    pipeline = load_pipeline(profile.generator)
    policy = Policy(load_transformer(profile.generator), profile.generator, ("old",), profile.seed)
    worker, judge = RolloutWorker(profile, "rollout-0"), Judge.load(resolve_model(profile.judge.path, "judge"))
    worker.install(policy.snapshot("old", 0))
    restorer, codec = PreRestorer(profile.generator.pre_restoration), Codec(pipeline.vae)
    labels, photos = judge_labels(profile.judge), find_photos(profile.data.photos, "train")
    names: list[str] = []
    rows: list[dict[str, list[float]]] = []
    for index in range(count):
        pair, seed = training_pair(photos, profile.data, 0, index), derive_seed("headroom", index)
        assert pair.gt is not None
        request = RolloutRequest(f"group-{index}", 0, pair.lr, seed, profile.rollout.candidates, 0)
        _, candidates, _ = worker.sample(request)
        edited = edits(pair, candidates, restorer.restore([pair.lr], *pair.gt.shape[:2])[0], codec)
        names, images = list(edited), np.concatenate([candidates, np.stack(list(edited.values()))])
        fidelity, read = measured_fidelity(images, pair.gt, labels), judge.score(pair.lr, images)
        panel: list[dict[str, Any]] = [full_reference(image, pair.gt) for image in images]
        rows.append({name: [each[name] for each in panel] for name in panel[0]} | rewards(profile, fidelity, read))
    return names, {name: np.array([row[name] for row in rows]) for name in rows[0]}


def change(values: Values, picture: int) -> tuple[float, float]:
    """Mean change against the first candidate, and its standard error over groups."""
    differences = values[:, picture] - values[:, 0]
    return float(differences.mean()), float(differences.std(ddof=1) / len(differences) ** 0.5)


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
