"""`python -m benchmarks.update_direction [--weights RUN/sft]`: which way one step of the objective moves the pictures.

Groups are sampled from the profile's generator on training photos and scored as in FR-RL. The objective's gradient in
the adapter is taken at the weights themselves, for both normalisers and several rewards, and that of a regression to
the same candidates beside it: what is common to all groups. For FR-RL's reward also with each spread that it can be
measured in (`objective.optimality.spread`). Then a step of one length along each is measured on the held-out crops,
against no step (docs/alignment.md).
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from benchmarks.result import Result, write_result
from benchmarks.scoring import rewards
from oars.alignment.messages import Conditioning
from oars.alignment.nft import nft_loss
from oars.alignment.optimality import optimalities
from oars.alignment.training_points import training_point, training_times
from oars.compass.judge import Judge
from oars.config import ObjectiveConfig, RunConfig, load_profile
from oars.config.alignment import OptimalityConfig, Spread
from oars.deployment import deploy_path
from oars.evaluation.intervals import paired_difference
from oars.generator.codec import Codec
from oars.generator.conditioning import Conditioner
from oars.generator.policy import Policy, load_pipeline
from oars.generator.sampler import denoise, flow_times
from oars.generator.upscaler import Upscaler
from oars.imaging.crops import Pair, evaluation_pairs, training_pair
from oars.imaging.image_io import Pixels
from oars.imaging.photos import find_photos
from oars.metrics.panel import full_reference
from oars.seeds import derive_seed, seeded_noise
from reward_server.checkpoint import judge_directory
from services.control.measured_fidelity import judge_labels, measured_fidelity

REWARDS = ("reward", "fidelity", "q_sr")
RULES: dict[str, tuple[str, Spread]] = {name: (name, "batch") for name in REWARDS} | {
    f"reward_{spread}": ("reward", spread) for spread in get_args(Spread) if spread != "batch"
}
"""Which of the rewards, in which spread, makes the optimality of each direction."""
NORMALISERS = ("error", "time")


@dataclass(frozen=True)
class Scored:
    """A group at the weights: what the objective reads of it, and each candidate's scores."""

    conditioning: Conditioning
    x0: Tensor
    times: Tensor
    seed: int
    scores: dict[str, np.ndarray]


class Direction:
    """The policy with one fresh adapter: groups, gradients and steps at its weights."""

    def __init__(self, config: RunConfig, weights: Path | None) -> None:
        self._config = config
        self._pipeline = load_pipeline(config.generator, weights)
        self._policy = Policy(self._pipeline.transformer, config.generator, ("current",), config.seed)
        self._codec = Codec(self._pipeline.vae)
        self._conditioner = Conditioner(self._pipeline, config.generator, self._codec)
        self._judge = Judge.load(judge_directory(config.judge.path), dtype=torch.float32)
        self._labels = judge_labels(config.judge)
        # A fresh adapter's B is zero, so its A has no gradient.
        named = self._policy.named_parameters("current")
        self._outer = {name: p.requires_grad_(True) for name, p in named.items() if "lora_B" in name}
        self._inner = {name.replace("lora_A", "lora_B"): p for name, p in named.items() if "lora_A" in name}

    @torch.no_grad()
    def group(self, pair: Pair, seed: int) -> Scored:
        assert pair.gt is not None
        conditioning = self._conditioner.condition(pair.lr, *pair.gt.shape[:2])
        shape, count = conditioning.shape, self._config.rollout.candidates
        times = flow_times(self._pipeline.scheduler, self._config.sampler.steps, shape[0])
        noise = torch.stack([seeded_noise(shape, seed, "initial", k) for k in range(count)])
        solver = self._config.sampler.solver
        x0 = denoise(lambda x, t: self._policy.velocity(x, t, [conditioning] * len(x), "current"), noise, times, solver)
        images = self._codec.decode(x0, conditioning.grid)
        fidelity, read = measured_fidelity(images, pair.gt, self._labels), self._judge.score(pair.lr, images)
        columns = (rewards(self._config, fidelity, read)["reward"], fidelity, [r.q_sr for r in read])
        return Scored(conditioning, x0, times, seed, dict(zip(REWARDS, map(np.array, columns), strict=True)))

    def gradient(self, groups: list[Scored], optimality: list[np.ndarray], objective: ObjectiveConfig) -> Tensor:
        """The objective's gradient over all training points of all groups, flat."""
        total = torch.zeros(sum(p.numel() for p in self._outer.values()))
        for group, r in zip(groups, optimality, strict=True):
            for x_t, t in _points(group, objective):
                v = self._policy.velocity(x_t, t, [group.conditioning] * len(x_t), "current")
                loss = nft_loss(v, v.detach(), None, x_t, group.x0, t, torch.from_numpy(r), objective).total
                # The last block's text stream reaches no output.
                parts = torch.autograd.grad(loss.sum(), list(self._outer.values()), materialize_grads=True)
                total += torch.cat([part.flatten() for part in parts])
        return total

    @torch.no_grad()
    def step(self, direction: Tensor, length: float) -> None:
        """Let the change of the weights be `length` (Frobenius norm over all layers) against `direction`."""
        at = 0
        for p in self._outer.values():
            p.copy_(-direction[at : at + p.numel()].view_as(p))
            at += p.numel()
        scale = self._config.generator.lora.alpha / self._config.generator.lora.rank
        norm = sum(float((scale * p @ self._inner[name]).square().sum()) for name, p in self._outer.items()) ** 0.5
        for p in self._outer.values():
            p.mul_(length / max(norm, 1e-12))

    def measured(self, pairs: list[Pair]) -> dict[str, list[float]]:
        """Full-reference metrics and roughness (mean step between neighbours, grey levels) of held-out crops."""
        upscaler = Upscaler(self._pipeline, self._policy.transformer, self._config.generator, self._config.sampler)
        rows = []
        for pair in pairs:
            assert pair.gt is not None
            seed = derive_seed(self._config.seed, "held_out", pair.image_id)
            image = upscaler.sample(pair.lr, self._config.data.scale, seed)
            rows.append(full_reference(image, pair.gt) | {"roughness": _roughness(image)})
        return {name: [row[name] for row in rows] for name in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--groups", type=int, default=36)
    parser.add_argument("--length", type=float, default=0.15)
    parser.add_argument("--weights", type=Path, help="transformer directory, such as a run's sft; default: the base")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    given = parser.parse_args()
    torch.set_num_threads(2)
    config = load_profile(deploy_path(), given.set)
    direction, photos = Direction(config, given.weights), find_photos(config.data.photos, "train")
    pairs = [training_pair(photos, config.data, config.seed, i) for i in range(given.groups)]
    groups = [direction.group(pair, derive_seed("update_direction", i)) for i, pair in enumerate(pairs)]
    held_out = evaluation_pairs(config.data, config.seed)
    before = direction.measured(held_out)
    details: dict[str, object] = {"groups": given.groups, "length": given.length, "before": _means(before)}
    pulls = {}
    for normaliser in NORMALISERS:
        gradients = _gradients(direction, groups, config.objective.model_copy(update={"normaliser": normaliser}))
        regression, rows = gradients["regression"], {}
        for name, gradient in gradients.items():
            direction.step(gradient, given.length)
            after = direction.measured(held_out)
            changes = {m: paired_difference(after[m], before[m]).model_dump() for m in before}
            rows[name] = {"cosine_to_regression": _cosine(gradient, regression), "change": changes}
            print(normaliser, name, rows[name], flush=True)
        direction.step(regression, 0.0)  # back to the weights at which the next gradients are taken
        pulls[normaliser] = -float(gradients["reward"] @ regression / regression.square().sum()) / _spread(groups)
        details[normaliser] = rows | {"pull": pulls[normaliser]}
    print(
        write_result(
            Result(
                name="update_direction_sft" if given.weights else "update_direction",
                value=pulls["time"],
                unit="objective.optimality.advantage_offset that cancels the part along the regression (time)",
                baseline=pulls["error"],
                details=details,
            )
        )
    )


def _points(group: Scored, objective: ObjectiveConfig) -> Iterator[tuple[Tensor, Tensor]]:
    """x_t [K, N, C] and t [K], one training point of every candidate at a time."""
    t = training_times(group.times, group.seed, len(group.x0), objective)
    for j in range(t.shape[1]):
        x_t = [training_point(x0, t[k, j], group.seed, k, j, objective) for k, x0 in enumerate(group.x0)]
        yield torch.stack(x_t), t[:, j]


def _gradients(direction: Direction, groups: list[Scored], objective: ObjectiveConfig) -> dict[str, Tensor]:
    ones = [np.ones(len(group.x0), np.float32) for group in groups]
    gradients = {"regression": direction.gradient(groups, ones, objective)}
    for name, (reward, spread) in RULES.items():
        optimality = optimalities([g.scores[reward] for g in groups], OptimalityConfig(spread=spread))
        gradients[name] = direction.gradient(groups, optimality, objective)
    along = gradients["reward"] @ gradients["regression"] / gradients["regression"].square().sum()
    return gradients | {"reward_without_regression": gradients["reward"] - along * gradients["regression"]}


def _spread(groups: list[Scored]) -> float:
    """Standard deviation of the advantages."""
    return float(2 * np.std(np.concatenate(optimalities([g.scores["reward"] for g in groups], OptimalityConfig()))))


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


def _roughness(image: Pixels) -> float:
    return float(np.abs(np.diff(image.astype(np.float32), axis=1)).mean())


def _means(columns: dict[str, list[float]]) -> dict[str, float]:
    return {name: float(np.mean(values)) for name, values in columns.items()}


if __name__ == "__main__":
    main()
