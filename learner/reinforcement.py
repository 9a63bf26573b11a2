"""The RL stages on one rank: the config's objective on a LoRA, over the base weights (paper) or those in `weights`.

Both stages train the same adapter. `current` is trained, `old` follows it by the schedule and is what gets published,
`ema` is evaluated. Invariants: the step's gradient is that of the objective with the v_old that the config names
(learner/old_velocity.py); what is random in a training point is drawn again from the group's seed, to the bit as the
rollout worker drew it.
"""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from learner.adapters import read_adapter, save_adapters
from learner.engine import Engine
from learner.old_velocity import Frozen, OldVelocity, Samples, sample_of
from learner.plan import MicroBatch, Optimality, deal, micro_batches
from learner.rate import rate
from learner.report import StepReport
from oars.alignment.flow_grpo import GrpoParts
from oars.alignment.messages import PolicySnapshot, TrainingSample
from oars.alignment.nft import LossParts
from oars.alignment.objective import Velocities, objective_loss, part_names, training_points
from oars.alignment.old_policy import old_is_current, old_policy_eta
from oars.config import RunConfig
from oars.generator.policy import ROLES, Policy, Role, load_transformer, predict_velocity
from oars.precision import compute_dtype

_FOLLOWERS: tuple[Role, ...] = ("old", "ema")
_DRIFTS = ("trained_velocity_norm", "old_distance")


class Reinforcement:
    """Owns the policy with its three adapters and the DeepSpeed engine over `current`."""

    def __init__(self, config: RunConfig, rank: int, world: int, weights: Path | None = None) -> None:
        self._config, self._rank, self._world = config, rank, world
        self._dtype = compute_dtype(config.generator.dtype)
        transformer = load_transformer(config.generator, weights)
        self._policy = Policy(transformer, config.generator, ROLES, config.seed)
        if config.learner.gradient_checkpointing:
            transformer.enable_gradient_checkpointing()
        trained = list(self._policy.named_parameters("current").values())
        for parameter in trained:
            parameter.requires_grad_(True)
        self._engine = Engine(transformer, trained, config.optimiser, config.learner, self._dtype)
        self._old = OldVelocity(config, self._policy, self._engine)
        self.steps, self.version = 0, -1

    def step(self, samples: Samples, optimality: Sequence[Optimality]) -> StepReport:
        """One optimiser step on the scored candidates of a batch; then `old` and `ema` follow. Collective.

        `samples[g]` may be None where `groups_of_rank` does not list g. Raises NothingToTrain, NoOldVelocity.
        """
        start, objective = time.monotonic(), self._config.objective
        names = part_names(objective)
        sums = torch.zeros(len(names) + len(_DRIFTS), dtype=torch.float64)
        batches = micro_batches(optimality, self._points, self._config.optimiser.micro_batch)
        count = sum(len(batch.points) for batch in batches)
        share = deal(batches, self._world)[self._rank]
        frozen = self._old.of(samples, share, self.version, old_is_current(self.steps, objective.old_policy))

        def loss(batch: MicroBatch, counted: bool) -> Tensor:
            parts, drift = self._losses(sample_of(samples, batch), frozen[batch], batch, optimality[batch.group])
            if counted:
                values = [getattr(parts, name) for name in names] + drift
                sums.add_(torch.stack([v.detach().double().sum() for v in values]).cpu())
            return parts.total.sum() * (counted * self._world / count)

        optimiser = self._config.optimiser
        self._engine.set_learning_rate(optimiser.lr * rate(self.steps, self._config.stages.rl_steps, optimiser.floor))
        with self._policy.using("current"):
            grad_norm = self._engine.step([partial(loss, d.work, d.counted) for d in share])
        self.steps += 1
        eta = old_policy_eta(self.steps, objective.old_policy)
        self._follow("old", eta)
        self._follow("ema", objective.ema)
        means = (self._engine.total(sums) / count).tolist()
        losses, drifts = dict(zip(names, means, strict=False)), means[len(names) :]
        drift = {name: value**0.5 for name, value in zip(_DRIFTS, drifts, strict=True)}
        return StepReport(self.steps, self.version, losses, grad_norm, drift, time.monotonic() - start, eta)

    def groups_of_rank(self, optimality: Sequence[Optimality]) -> set[int]:
        """Indices of the groups that this rank needs in `step`."""
        batches = micro_batches(optimality, self._points, self._config.optimiser.micro_batch)
        return {dealt.work.group for dealt in deal(batches, self._world)[self._rank]}

    @property
    def _points(self) -> int:
        """Training points a candidate; a rollout has no more times than steps."""
        return min(self._config.objective.timesteps, self._config.sampler.steps)

    def _losses(
        self, sample: TrainingSample, frozen: Frozen, batch: MicroBatch, optimality: Optimality
    ) -> tuple[LossParts | GrpoParts, list[Tensor]]:
        """Per-point loss parts, and the mean squares of v_theta and of v_theta - v_old, all [B]."""
        device = self._engine.device
        points = training_points(sample, batch.points, self._config.objective)
        x_t, t = (v.to(device) for v in points)
        v_ref = None if frozen.ref is None else frozen.ref.to(device)
        r = torch.tensor([optimality[k] for k, _ in batch.points], dtype=torch.float32, device=device)
        v_theta = predict_velocity(self._engine.model, x_t, t, [sample.conditioning] * len(t), self._dtype)
        v_old = v_theta.detach() if frozen.old is None else frozen.old.to(device)
        velocities = Velocities(v_theta, v_old, v_ref)
        parts = objective_loss(velocities, x_t, t, sample, batch.points, r, self._config.objective)
        drift = [v.detach().square().flatten(1).mean(1) for v in (v_theta, v_theta - v_old)]
        return parts, drift

    def _follow(self, role: Role, decay: float) -> None:
        parameters = [*self._policy.named_parameters(role).values(), *self._policy.named_parameters("current").values()]
        with self._engine.whole(parameters, write=True):
            self._policy.blend(role, "current", decay)

    def publish(self, version: int) -> PolicySnapshot:
        """`old` as version n. Collective."""
        self.version = version
        return self.snapshot("old", version)

    def snapshot(self, role: Role, version: int) -> PolicySnapshot:
        """A role's adapter on the CPU, under the given version number. Collective."""
        with self._engine.whole(self._policy.named_parameters(role).values()):
            return self._policy.snapshot(role, version)

    def save(self, directory: Path) -> dict[str, Any]:
        """Write the state under `directory`; what it returns goes into the manifest. Collective."""
        self._engine.save(directory)
        followers = {role: self.snapshot(role, self.version) for role in _FOLLOWERS}
        if self._rank == 0:
            save_adapters(directory, followers)
        digests = {role: snapshot.digest for role, snapshot in followers.items()}
        return {"steps": self.steps, "version": self.version, "digests": digests}

    def load(self, directory: Path, state: dict[str, Any]) -> None:
        """Collective; into a fresh object."""
        self._engine.load(directory)
        for role in _FOLLOWERS:
            with self._engine.whole(self._policy.named_parameters(role).values(), write=True):
                self._policy.install(read_adapter(directory, state, role), role)
        self.steps, self.version = state["steps"], state["version"]

    def close(self) -> None:
        self._engine.close()
