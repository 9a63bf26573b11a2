"""Reward against S, for the exact old policy and for the peers' practice: `python -m benchmarks.staleness`.

Staleness is imposed, not waited for: one process holds a real rollout worker, a real judge (transformers) and a real
learner rank, and a queue keeps every batch S versions, so that step i trains on what version max(0, i - S) sampled. A
cell is one (S, practice, seed): so many optimiser steps from the base weights, every cell on the same number of
groups, then the reward of the last version on held-out crops with the same noise. Finished cells are kept in `--work`,
so an interrupted run goes on. Practices: `exact` is `objective.old_policy.at = learner` (to the bit of floating point
the same as `worker`), `moving` that of the peers. At S = 0 the two are one.
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
from oars.alignment.group import GroupOrder, PolicySnapshot, TrainingSample
from oars.alignment.optimality import optimalities
from oars.alignment.seeds import derive_seed
from oars.compass.formula import compass_reward
from oars.compass.judge import Judge
from oars.config import RunConfig, load_profile
from oars.evaluation.intervals import Interval, bootstrap_mean, paired_difference
from oars.imaging.crops import Pair, evaluation_pairs
from oars.miniature import resolve_model
from rollout_workers.worker import RolloutWorker
from services.source import InputSource

STALENESS = (0, 1, 2, 4, 8)
PRACTICES = {"exact": "learner", "moving": "moving"}
SEEDS = (0, 1, 2)
# The embedded miniature, cut down until a cell takes a minute and a half on one core.
SETTINGS = [
    "data.crop=64",
    "data.evaluation_crop=64",
    "data.evaluation_crops=24",
    "generator.dtype=float32",
    "sampler.steps=4",
    "rollout.candidates=6",
    "objective.timesteps=2",
    "objective.kl_weight=0",
    "optimiser.micro_batch=12",
    "optimiser.lr=3.0e-3",
]
GROUPS = 2
Rewards = NDArray[np.float64]


class Bench:
    """One process's worker, judge and learner for one cell."""

    def __init__(self, max_staleness: int, practice: str, seed: int) -> None:
        changes = [
            f"seed={seed}",
            f"control.max_staleness={max_staleness}",
            f"objective.old_policy.at={PRACTICES[practice]}",
        ]
        self.config: RunConfig = load_profile("deploy/profiles/tiny.yaml", SETTINGS + changes)
        self._worker = RolloutWorker(self.config, "rollout-0")
        self._judge = Judge.load(resolve_model("miniature", "judge"), dtype=torch.float32)
        self._source = InputSource(self.config, "staleness")
        self.learner = Reinforcement(self.config, 0, 1)

    def publish(self, version: int) -> PolicySnapshot:
        snapshot = self.learner.publish(version)
        self._worker.install(snapshot)
        return snapshot

    def batch(self, number: int, version: int) -> list[tuple[TrainingSample, Rewards]]:
        """Batch `number` of the run, sampled and scored now."""
        groups = [asyncio.run(self._source.group("nr_rl", i, i)) for i in range(number * GROUPS, (number + 1) * GROUPS)]
        return [self._scored(g.order(0, self.config.rollout.candidates, version), g.pair) for g in groups]

    def _scored(self, order: GroupOrder, pair: Pair) -> tuple[TrainingSample, Rewards]:
        _, images, sample = self._worker.sample(order)
        return sample, self._rewards(pair, images)

    def _rewards(self, pair: Pair, images: NDArray[np.uint8]) -> Rewards:
        gamma = self.config.judge.reward.gamma
        readings = self._judge.score(pair.lr, images)
        return np.array([compass_reward(r.fidelity, r.q_lr, r.q_sr, gamma) for r in readings])

    def held_out(self, version: int) -> list[float]:
        """Reward of each held-out crop, one candidate each; the noise is the same in every cell."""
        rewards = []
        for pair in evaluation_pairs(self.config.data, 0):
            seed = derive_seed("held_out", pair.image_id)
            order = GroupOrder(pair.image_id, 0, "nr_rl", pair.lr, None, seed, 1, version)
            rewards.append(float(self._scored(order, pair)[1][0]))
        return rewards


def cell(max_staleness: int, practice: str, seed: int, steps: int) -> dict[str, Any]:
    """Train and measure one cell."""
    bench = Bench(max_staleness, practice, seed)
    bench.publish(0)
    before, curve, norms = bench.held_out(0), [], []
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
        report = bench.learner.step(samples, [sample.version for sample in samples], optimality)
        curve.append(float(np.mean(rewards)))
        norms.append(report.grad_norm)
        bench.publish(step + 1)
    after = bench.held_out(steps)
    bench.learner.close()
    return {"before": before, "after": after, "batch_reward": curve, "grad_norm": norms}


def cells() -> Iterator[tuple[int, str, int]]:
    """Seed by seed, so that an interrupted run has whole rows of fewer seeds."""
    for seed in SEEDS:
        for max_staleness in STALENESS:
            for practice in PRACTICES:
                if max_staleness or practice == "exact":
                    yield max_staleness, practice, seed


def finished(work: Path, steps: int) -> dict[tuple[int, str, int], dict[str, Any]]:
    """Run the cells that `work` lacks."""
    done = {}
    for key in cells():
        file = work / f"{steps}_S{key[0]}_{key[1]}_{key[2]}.json"
        if not file.exists():
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(cell(*key, steps)))
            partial.rename(file)
        done[key] = json.loads(file.read_text())
        print(f"S={key[0]} {key[1]} seed {key[2]}: {np.mean(done[key]['after']):.4f}", flush=True)
    return done


Done = dict[tuple[int, str, int], dict[str, Any]]


def values(done: Done, max_staleness: int, practice: str, when: str = "after") -> list[float]:
    """Rewards of all seeds' crops, seed by seed."""
    own = practice if max_staleness else "exact"
    return [reward for seed in SEEDS for reward in done[max_staleness, own, seed][when]]


def table(done: Done) -> list[dict[str, Any]]:
    """One row an S: the gain over the base of each practice, and their difference, crop by crop."""
    rows = []
    for s in STALENESS:
        row: dict[str, Any] = {"S": s}
        for practice in PRACTICES:
            row[practice] = paired_difference(values(done, s, practice), values(done, s, practice, "before"))
            own = practice if s else "exact"
            row[f"{practice}_by_seed"] = [
                float(np.mean(done[s, own, seed]["after"]) - np.mean(done[s, own, seed]["before"])) for seed in SEEDS
            ]
            row[f"{practice}_against_S0"] = paired_difference(values(done, s, practice), values(done, 0, "exact"))
        row["exact_minus_moving"] = paired_difference(values(done, s, "exact"), values(done, s, "moving"))
        rows.append(row)
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    shown = Table(
        "S", "exact: gain", "moving: gain", "exact - moving", "exact - exact at S = 0", title="held-out reward"
    )
    for row in rows:
        names = ("exact", "moving", "exact_minus_moving", "exact_against_S0")
        shown.add_row(str(row["S"]), *(_written(row[name]) for name in names))
    Console(width=120).print(shown)


def _written(interval: Interval) -> str:
    return f"{interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, default=Path("runs/staleness"), help="where finished cells are kept")
    parser.add_argument("--steps", type=int, default=20, help="optimiser steps a cell")
    parser.add_argument("--port", type=int, default=29611, help="where the one learner rank meets itself")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    given.work.mkdir(parents=True, exist_ok=True)
    join(0, 1, f"127.0.0.1:{given.port}")
    done = finished(given.work, given.steps)
    rows = table(done)
    show(rows)
    worst = rows[-1]
    plain = [{k: v.model_dump() if isinstance(v, Interval) else v for k, v in row.items()} for row in rows]
    base = bootstrap_mean(values(done, 0, "exact", "before")).model_dump()
    result = Result(
        name="staleness",
        value=worst["exact_minus_moving"].mean,
        unit="reward, exact - moving at S = 8",
        baseline=rows[0]["exact"].mean,
        repeats=len(SEEDS),
        spread=(worst["exact_minus_moving"].low, worst["exact_minus_moving"].high),
        details={"rows": plain, "base": base, "settings": SETTINGS, "groups_a_step": GROUPS, "steps": given.steps},
    )
    print(write_result(result))


if __name__ == "__main__":
    main()
