"""`python -m benchmarks.step_noise --photos FOLDER`: how much of a step follows from the reward, and how much is noise?

Groups are sampled from the profile's generator and scored as in FR-RL; each gives the objective's gradient in a fresh
adapter. The means of two lots of groups would agree if nothing were noise. They are compared as they are, which is
where a step with a large `optimiser.eps` goes, and by their signs, which is where AdamW's first step goes. Then a step
of one length along each is measured on other train crops, against no step. No evaluation photo is looked at.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.result import RESULTS, Result, write_result
from benchmarks.update_direction import Direction
from oars.alignment.optimality import optimalities
from oars.config import RunConfig, load_profile
from oars.deployment import deploy_path
from oars.evaluation.intervals import paired_difference
from oars.imaging.crops import Pair, training_pair
from oars.imaging.photos import find_photos
from oars.seeds import derive_seed

STEP = 4
"""Groups of one step of the tiny profile."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", default="all", help="the run's `data.photos`")
    parser.add_argument("--groups", type=int, default=48)
    parser.add_argument("--crops", type=int, default=24, help="train crops that the steps are measured on")
    parser.add_argument("--length", type=float, default=0.4, help="Frobenius norm of the change of all weights")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for step_noise.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = load_profile(deploy_path(), [f"data.photos={given.photos}"])
    direction, pairs = Direction(config, None), crops(config, given.groups + given.crops)
    gradients = torch.stack([_gradient(direction, config, pair, i) for i, pair in enumerate(pairs[given.crops :])])
    agreement = {f"lots of {n}": agreements(gradients, n) for n in (STEP, given.groups // 2)}
    print(agreement, flush=True)
    before, changes = direction.measured(pairs[: given.crops]), {}
    for name, along in (("gradient", gradients.mean(0)), ("signs", gradients.mean(0).sign())):
        direction.step(along, given.length)
        after = direction.measured(pairs[: given.crops])
        changes[name] = {metric: paired_difference(after[metric], before[metric]).model_dump() for metric in before}
        print(name, {metric: round(change["mean"], 4) for metric, change in changes[name].items()}, flush=True)
    value, unit = agreement[f"lots of {STEP}"]["gradient"], "cosine of two steps' gradients"
    details = {"agreement": agreement, "changes": changes, "length": given.length}
    print(write_result(Result(name="step_noise", value=value, unit=unit, details=details), given.results))


def crops(config: RunConfig, count: int) -> list[Pair]:
    photos = find_photos(config.data.photos, "train")
    return [training_pair(photos, config.data, config.seed, index) for index in range(count)]


def _gradient(direction: Direction, config: RunConfig, pair: Pair, index: int) -> Tensor:
    group = direction.group(pair, derive_seed("step_noise", index))
    optimality = optimalities([group.scores["reward"]], config.objective.optimality)
    return direction.gradient([group], optimality, config.objective)


def agreements(gradients: Tensor, count: int) -> dict[str, float]:
    """Mean cosine between the means of two disjoint lots of `count` groups, as they are and by their signs."""
    means = [lot.mean(0) for lot in gradients.split(count) if len(lot) == count]
    pairs = list(zip(means[::2], means[1::2], strict=False))
    return {
        "gradient": sum(_cosine(a, b) for a, b in pairs) / len(pairs),
        "signs": sum(_cosine(a.sign(), b.sign()) for a, b in pairs) / len(pairs),
    }


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a, b, dim=0))


if __name__ == "__main__":
    main()
