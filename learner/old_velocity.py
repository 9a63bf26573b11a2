"""v_old and v_ref of a step's training points, without a gradient (`objective.old_policy.at`).

sampler  the rollout worker evaluated both, with the adapter that it sampled with; they came with the group
         (Flow-GRPO: v_old is the velocity of the sampling itself)
latest   evaluated here, v_old with `old` as it stands, whatever version sampled the group
Where `old` is `current`, nobody evaluates v_old: it is v_theta, detached. Invariant: every rank makes as many forward
passes as any other, as a partitioned model (ZeRO-3) needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from learner.engine import Engine
from learner.plan import Dealt, MicroBatch
from oars.alignment.messages import TrainingSample
from oars.alignment.objective import indices, training_points
from oars.config import RunConfig
from oars.generator.policy import Policy, Role, predict_velocity
from oars.precision import compute_dtype

Samples = Sequence[TrainingSample | None]


class NoOldVelocity(RuntimeError):
    """A group that came without the velocities that its rollout worker should have evaluated."""


@dataclass(frozen=True)
class Frozen:
    """Velocities of one micro-batch that carry no gradient, [B, N, C] on the CPU."""

    old: Tensor | None
    """None where `old` is `current`: v_theta, detached."""
    ref: Tensor | None
    """None at KL weight 0."""


def sample_of(samples: Samples, batch: MicroBatch) -> TrainingSample:
    sample = samples[batch.group]
    assert sample is not None, "a rank fetches the groups that it computes"
    return sample


class OldVelocity:
    """Gives each micro-batch its velocities."""

    def __init__(self, config: RunConfig, policy: Policy, engine: Engine) -> None:
        self._objective = config.objective
        self._with_reference = config.objective.needs_reference
        self._dtype = compute_dtype(config.generator.dtype)
        self._policy, self._engine = policy, engine

    def of(
        self, samples: Samples, share: Sequence[Dealt[MicroBatch]], version: int, old_is_current: bool
    ) -> Mapping[MicroBatch, Frozen]:
        """The velocities of one rank's share, at the learner's `version`. Collective. Raises NoOldVelocity."""
        batches = [dealt.work for dealt in share]
        if self._objective.old_policy.at == "sampler":
            may_lack = version if old_is_current else None
            return {batch: _sampled(sample_of(samples, batch), batch, may_lack) for batch in batches}
        old = {} if old_is_current else self._evaluated(samples, batches, "old")
        reference = self._evaluated(samples, batches, None) if self._with_reference else {}
        return {batch: Frozen(old.get(batch), reference.get(batch)) for batch in batches}

    def _evaluated(
        self, samples: Samples, batches: Sequence[MicroBatch], role: Role | None
    ) -> dict[MicroBatch, Tensor]:
        """One pass for each, also where one is there twice: another rank makes a pass meanwhile."""
        with torch.no_grad(), self._policy.using(role):
            return {batch: self._velocity(sample_of(samples, batch), batch) for batch in batches}

    def _velocity(self, sample: TrainingSample, batch: MicroBatch) -> Tensor:
        x_t, t = (v.to(self._engine.device) for v in training_points(sample, batch.points, self._objective))
        conditioning = [sample.conditioning] * len(t)
        return predict_velocity(self._engine.model, x_t, t, conditioning, self._dtype).cpu()


def _sampled(sample: TrainingSample, batch: MicroBatch, may_lack: int | None) -> Frozen:
    """v_old and v_ref as they came with a group; only one of version `may_lack` comes without v_old."""
    if sample.v_old is None and sample.version != may_lack:
        raise NoOldVelocity(f"group {sample.group_id} came without v_old: its worker has another `objective`")
    at = indices(batch.points)
    return Frozen(*(None if v is None else v[at] for v in (sample.v_old, sample.v_ref)))
