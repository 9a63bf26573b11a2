"""Reward against S, for the exact old policy and for the peers' practice: `python -m benchmarks.staleness`.

Staleness is imposed, not waited for: one process holds a real rollout worker and a real learner rank, and a queue keeps
every batch S versions, so that step i trains on what version max(0, i - S) sampled. A cell is one (S, practice, seed):
so many optimiser steps from the base weights, every cell on the same number of groups, then the reward of the last
version on held-out crops with the same noise. Finished cells are kept in `--work`, so an interrupted run goes on.

Practices: `exact` is `objective.old_policy.at = sampler`, `moving` is `latest`, what the peers do; at S = 0 the two are
one. The generator is a random one of the real classes with a single block, and the reward
is the PSNR of a candidate against its ground truth in units of 10 dB: both are cheap enough for every cell to train
until it has learnt something. So the table speaks about the algorithm under staleness, not about image quality.
"""

import argparse
import asyncio
import json
import logging
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("DS_ACCELERATOR", "cpu")

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.result import Result, write_result
from learner.engine import join
from learner.reinforcement import Reinforcement
from oars.alignment.messages import PolicySnapshot, RolloutRequest, TrainingSample
from oars.alignment.optimality import optimalities
from oars.alignment.stage import FR_RL
from oars.config import RunConfig, load_profile
from oars.evaluation.intervals import paired_difference
from oars.files import write_text
from oars.generator.miniature.tiny import build_tiny
from oars.imaging.crops import Pair, evaluation_pairs
from oars.seeds import derive_seed
from rollout_workers.worker import RolloutWorker
from services.control.source import InputSource

STALENESS = (0, 1, 2, 4, 8)
PRACTICES = {"exact": "sampler", "moving": "latest"}
SEEDS = (0, 1, 2)
SETTINGS = [
    "data.crop=32",
    "reward.window_shift=0",
    "alarms.every=0",
    "data.evaluation_crop=32",
    "judge.min_pixels=1024",
    "data.evaluation_crops=48",
    "generator.dtype=float32",
    "generator.lora={rank: 4, alpha: 8}",
    "sampler.steps=3",
    "sampler.batch=48",
    "rollout.candidates=6",
    "objective.timesteps=2",
    "objective.kl_weight=0",
    "optimiser.micro_batch=12",
]
LEARNING_RATE = 1e-2
GROUPS = 2
Rewards = NDArray[np.float64]


class Bench:
    """One process's worker and learner for one cell."""

    def __init__(self, generator: Path, rate: float, max_staleness: int, practice: str, seed: int) -> None:
        changes = [
            f"generator.path={generator}",
            f"optimiser.lr={rate}",
            "optimiser.eps=1e-8",
            f"seed={seed}",
            f"control.max_staleness={max_staleness}",
            f"objective.old_policy.at={PRACTICES[practice]}",
        ]
        self.config: RunConfig = load_profile("deploy/profiles/tiny.yaml", SETTINGS + changes)
        self._worker = RolloutWorker(self.config, "rollout-0")
        self._source = InputSource(self.config, "staleness")
        self.learner = Reinforcement(self.config, 0, 1)

    def publish(self, version: int) -> PolicySnapshot:
        snapshot = self.learner.publish(version)
        self._worker.install(snapshot)
        return snapshot

    def batch(self, number: int, version: int) -> list[tuple[TrainingSample, Rewards]]:
        """Batch `number` of the run, sampled and scored now."""
        groups = [asyncio.run(self._source.group(FR_RL, i, i)) for i in range(number * GROUPS, (number + 1) * GROUPS)]
        return [self._scored(g.request(0, self.config.rollout.candidates, version), g.pair) for g in groups]

    def _scored(self, request: RolloutRequest, pair: Pair) -> tuple[TrainingSample, Rewards]:
        _, images, sample = self._worker.sample(request)
        return sample, self._rewards(pair, images)

    def _rewards(self, pair: Pair, images: NDArray[np.uint8]) -> Rewards:
        """PSNR of each candidate, in units of 10 dB."""
        assert pair.gt is not None
        error = np.square(images.astype(np.float64) - pair.gt).mean((1, 2, 3))
        return np.log10(255.0**2 / np.maximum(error, 1.0))

    def held_out(self, version: int) -> list[float]:
        """Reward of each held-out crop, one candidate each; the noise is the same in every cell."""
        rewards = []
        for pair in evaluation_pairs(self.config.data, 0):
            seed = derive_seed("held_out", pair.image_id)
            request = RolloutRequest(pair.image_id, 0, pair.lr, seed, 1, version)
            rewards.append(float(self._scored(request, pair)[1][0]))
        return rewards


def cell(generator: Path, rate: float, steps: int, max_staleness: int, practice: str, seed: int) -> dict[str, Any]:
    """Train and measure one cell."""
    bench = Bench(generator, rate, max_staleness, practice, seed)
    bench.publish(0)
    curve, norms = [], []
    queue: deque[list[tuple[TrainingSample, Rewards]]] = deque()
    sampled = 0
    for step in range(steps):
        while len(queue) <= max_staleness and sampled < steps:
            queue.append(bench.batch(sampled, step))
            sampled += 1
        samples, rewards = zip(*queue.popleft(), strict=True)
        assert samples[0].version == max(0, step - max_staleness)
        scaled = optimalities(list(rewards), bench.config.objective.optimality)
        optimality = [tuple(float(r) for r in values) for values in scaled]
        report = bench.learner.step(samples, optimality)
        curve.append(float(np.mean(rewards)))
        norms.append(report.grad_norm)
        bench.publish(step + 1)
    after = bench.held_out(steps)
    bench.learner.close()
    return {"after": after, "batch_reward": curve, "grad_norm": norms}


def base(generator: Path) -> list[float]:
    """Held-out rewards of version 0, which is the base in every cell: a fresh adapter changes nothing."""
    bench = Bench(generator, LEARNING_RATE, 0, "exact", SEEDS[0])
    bench.publish(0)
    rewards = bench.held_out(0)
    bench.learner.close()
    return rewards


def cells() -> Iterator[tuple[int, str, int]]:
    """Seed by seed, so that an interrupted run has whole rows of fewer seeds."""
    for seed in SEEDS:
        for max_staleness in STALENESS:
            for practice in PRACTICES:
                if max_staleness or practice == "exact":
                    yield max_staleness, practice, seed


def finished(generator: Path, work: Path, rate: float, steps: int) -> dict[tuple[int, str, int], dict[str, Any]]:
    """Run the cells that `work` lacks."""
    done = {}
    for key in cells():
        file = work / f"{rate:g}_{steps}_S{key[0]}_{key[1]}_{key[2]}.json"
        if not file.exists():
            write_text(file, json.dumps(cell(generator, rate, steps, *key)))
        done[key] = json.loads(file.read_text())
        print(f"S={key[0]} {key[1]} seed {key[2]}: {np.mean(done[key]['after']):.4f}", flush=True)
    return done


Done = dict[tuple[int, str, int], dict[str, Any]]


def rewards_of(done: Done, max_staleness: int, practice: str) -> dict[int, list[float]]:
    """Held-out rewards by seed."""
    own = practice if max_staleness else "exact"
    return {seed: done[max_staleness, own, seed]["after"] for seed in SEEDS}


def compared(after: dict[int, list[float]], before: dict[int, list[float]]) -> dict[str, Any]:
    """Mean difference over seeds and crops, its 95 % interval (pairs of the same seed and crop), and seed by seed."""
    pooled_after, pooled_before = ([reward for seed in SEEDS for reward in side[seed]] for side in (after, before))
    by_seed = [float(np.mean(after[seed]) - np.mean(before[seed])) for seed in SEEDS]
    return paired_difference(pooled_after, pooled_before).model_dump() | {"by_seed": by_seed}


def table(done: Done, start: list[float]) -> list[dict[str, Any]]:
    """One row an S: each practice's gain over the base, the two compared, and exact compared with S = 0."""
    base_rewards, synchronous = dict.fromkeys(SEEDS, start), rewards_of(done, 0, "exact")
    rows = []
    for s in STALENESS:
        exact, moving = (rewards_of(done, s, practice) for practice in PRACTICES)
        row: dict[str, Any] = {"S": s, "exact": compared(exact, base_rewards), "moving": compared(moving, base_rewards)}
        row["exact_minus_moving"] = compared(exact, moving)
        row["exact_minus_S0"], row["moving_minus_S0"] = compared(exact, synchronous), compared(moving, synchronous)
        rows.append(row)
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    names = ("exact", "moving", "exact_minus_moving", "exact_minus_S0", "moving_minus_S0")
    shown = Table("S", *names, title="held-out reward: gain over the base, and differences, with 95 % intervals")
    for row in rows:
        shown.add_row(str(row["S"]), *(_written(row[name]) for name in names))
    Console(width=140).print(shown)


def _written(interval: dict[str, Any]) -> str:
    return f"{interval['mean']:+.3f} [{interval['low']:+.3f}, {interval['high']:+.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description="Reward against S, for the exact old policy and for a moving one.")
    parser.add_argument("--work", type=Path, default=Path("runs/staleness"), help="where finished cells are kept")
    parser.add_argument("--steps", type=int, default=40, help="optimiser steps a cell")
    parser.add_argument("--lr", type=float, default=LEARNING_RATE, help="learning rate; another one has its own result")
    parser.add_argument("--port", type=int, default=29611, help="where the one learner rank meets itself")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    given.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    join(0, 1, f"127.0.0.1:{given.port}")
    generator = build_tiny(given.work / "generator")
    start, done = base(generator), finished(generator, given.work, given.lr, given.steps)
    rows = table(done, start)
    show(rows)
    most = rows[-1]["exact_minus_moving"]
    result = Result(
        name="staleness" if given.lr == LEARNING_RATE else f"staleness_lr_{given.lr:g}",
        value=rows[-1]["exact"]["mean"],
        unit="gain of held-out reward (PSNR / 10 dB) at S = 8, exact old policy",
        baseline=rows[0]["exact"]["mean"],
        ratio=rows[-1]["exact"]["mean"] / rows[0]["exact"]["mean"],
        repeats=len(SEEDS),
        spread=(rows[-1]["exact"]["low"], rows[-1]["exact"]["high"]),
        details={
            "rows": rows,
            "exact_minus_moving_at_S8": most,
            "base_reward": float(np.mean(start)),
            "batch_reward": {
                f"S{s} {practice} {seed}": done[s, practice, seed]["batch_reward"] for s, practice, seed in done
            },
            "settings": SETTINGS,
            "learning_rate": given.lr,
            "groups_a_step": GROUPS,
            "steps": given.steps,
        },
    )
    print(write_result(result))


if __name__ == "__main__":
    main()
