"""`python -m benchmarks.reward_jpeg`: what JPEG transport does to the reward, in units of what the policy learns from.

Real transitions: K candidates that the shipped generator draws for each of the held-out crops. LR and candidates pass
JPEG at quality 75 and 95, as peers send them, and are judged again. The error of R is divided by the spread of R within
the group (standard deviation over its K candidates), because the optimality of a candidate is its place in that spread.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.result import Result, write_result
from benchmarks.reward_peer import as_jpeg, of_jpeg
from oars.compass.formula import compass_reward
from oars.compass.judge import Judge
from oars.config import RunConfig, load_profile
from oars.deployment import deploy_path
from oars.evaluation.intervals import bootstrap_mean
from oars.generator.policy import load_pipeline, load_transformer
from oars.generator.upscaler import Upscaler
from oars.imaging.crops import evaluation_pairs
from oars.imaging.image_io import Pixels
from oars.seeds import derive_seed
from reward_server.checkpoint import judge_directory

QUALITIES = (75, 95)
K = 8
# Below this spread (in points of R, 1 to 5) a group is filtered out of training, and the quotient means nothing.
_LEAST_SPREAD = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=int, default=24)
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = load_profile(deploy_path(), [f"data.evaluation_crops={given.crops}"])
    groups = sampled_groups(config)
    judge = Judge.load(judge_directory(config.judge.path), dtype=torch.float32)
    lossless = [rewards(judge, lr, candidates) for lr, candidates in groups]
    for quality in QUALITIES:
        lossy = [rewards(judge, *through_jpeg(lr, candidates, quality)) for lr, candidates in groups]
        print(write_result(_result(quality, lossless, lossy)))


def sampled_groups(config: RunConfig) -> list[tuple[Pixels, Pixels]]:
    """LR uint8 [h, w, 3] and K samples uint8 [K, H, W, 3] of the shipped generator, for each held-out crop."""
    transformer = load_transformer(config.generator)
    upscaler = Upscaler(load_pipeline(config.generator), transformer, config.generator, config.sampler)
    groups = []
    for pair in evaluation_pairs(config.data, config.seed):
        seeds = [derive_seed("reward_jpeg", pair.image_id, k) for k in range(K)]
        groups.append((pair.lr, np.stack(upscaler.sample_batch([pair.lr] * K, config.data.scale, seeds))))
    return groups


def rewards(judge: Judge, lr: Pixels, candidates: Pixels) -> np.ndarray:
    readings = judge.score(lr, candidates)
    return np.array([compass_reward(r.fidelity, r.q_lr, r.q_sr) for r in readings])


def through_jpeg(lr: Pixels, candidates: Pixels, quality: int) -> tuple[Pixels, Pixels]:
    return of_jpeg(as_jpeg(lr, quality)), np.stack([of_jpeg(as_jpeg(picture, quality)) for picture in candidates])


def _result(quality: int, lossless: Sequence[np.ndarray], lossy: Sequence[np.ndarray]) -> Result:
    pairs = [(a, b) for a, b in zip(lossless, lossy, strict=True) if a.std() > _LEAST_SPREAD]
    errors = bootstrap_mean([float(np.abs(b - a).mean() / a.std()) for a, b in pairs])
    # What is left when a shift that all candidates share is taken out: only differences within a group matter.
    relative = bootstrap_mean([float(np.abs((b - b.mean()) - (a - a.mean())).mean() / a.std()) for a, b in pairs])
    swapped = bootstrap_mean([_swapped(a, b) for a, b in pairs])
    print(f"JPEG q{quality}: error {errors.mean:.3f} [{errors.low:.3f}, {errors.high:.3f}] spreads")
    return Result(
        name=f"reward_jpeg_q{quality}",
        value=errors.mean,
        unit="mean absolute error of R, in within-group standard deviations of R",
        baseline=0.0,
        repeats=len(pairs),
        spread=(errors.low, errors.high),
        details={
            "interval": "95 %, bootstrap over groups",
            "after_removing_the_groups_common_shift": [relative.mean, relative.low, relative.high],
            "share_of_candidate_pairs_whose_order_changes": [swapped.mean, swapped.low, swapped.high],
            "mean_spread_of_r": float(np.mean([a.std() for a, _ in pairs])),
            "mean_shift_of_r": float(np.mean([(b - a).mean() for a, b in pairs])),
            "groups": len(pairs),
            "candidates": K,
        },
    )


def _swapped(before: np.ndarray, after: np.ndarray) -> float:
    upper = np.triu_indices(len(before), 1)
    order = [np.sign(np.subtract.outer(values, values)[upper]) for values in (before, after)]
    return float((order[0] != order[1]).mean())


if __name__ == "__main__":
    main()
