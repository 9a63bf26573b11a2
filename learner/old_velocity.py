"""v_old and v_ref of a step's training points, wherever they come from (`objective.old_policy.at`).

worker   they came with the group
learner  evaluated here, with the very version that sampled the group, out of a ring of the last S + 1
moving   evaluated here, with `old` as it stands: the peers' practice
Invariant of `learner`: the values are those that the worker would have measured, for groups of any versions in one
batch; a version that has left the ring is an error, never replaced by another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from learner.engine import Engine
from learner.plan import Dealt, MicroBatch, version_passes
from oars.alignment.messages import PolicySnapshot, TrainingSample
from oars.alignment.training_points import training_point
from oars.config import RunConfig
from oars.generator.policy import ROLES, Policy, Role, predict_velocity
from oars.precision import compute_dtype

_FILE = "past_versions.safetensors"
Samples = Sequence[TrainingSample | None]


class UnknownVersion(RuntimeError):
    """A group of a version that the learner does not keep."""


@dataclass(frozen=True)
class Frozen:
    """Velocities of one micro-batch that carry no gradient, [B, N, C] on the CPU; `ref` is None at KL weight 0."""

    old: Tensor
    ref: Tensor | None


def roles(config: RunConfig) -> tuple[Role, ...]:
    """The adapters that the learner needs."""
    return (*ROLES, "past") if config.objective.old_policy.at == "learner" else ROLES


def points(sample: TrainingSample, batch: MicroBatch) -> tuple[list[int], list[int], Tensor]:
    """Candidate and point indices, and x_t [B, N, C]."""
    ks, js = (list(indices) for indices in zip(*batch.points, strict=True))
    x_t = [training_point(sample.x0[k], sample.t[k, j], sample.seed, k, j) for k, j in batch.points]
    return ks, js, torch.stack(x_t)


class OldVelocity:
    """Owns the ring of versions; everything but `keep` is collective."""

    def __init__(self, config: RunConfig, policy: Policy, engine: Engine) -> None:
        self._at = config.objective.old_policy.at
        self._reference = config.objective.kl_weight > 0
        self._dtype = compute_dtype(config.generator.dtype)
        self._policy, self._engine = policy, engine
        self._length = config.control.staleness_bound + 1
        self._ring: dict[int, PolicySnapshot] = {}

    def keep(self, snapshot: PolicySnapshot) -> None:
        """Remember a published version, and forget the one that no group can be stale enough to need."""
        if self._at == "learner":
            self._ring[snapshot.version] = snapshot
            self._ring = {v: s for v, s in self._ring.items() if v > snapshot.version - self._length}

    def of(
        self, samples: Samples, versions: Sequence[int], shares: Sequence[Sequence[Dealt[MicroBatch]]], rank: int
    ) -> Mapping[MicroBatch, Frozen]:
        """The velocities of this rank's share. Raises UnknownVersion."""
        if self._at == "worker":
            return {dealt.work: _came_along(_sample(samples, dealt.work), dealt.work) for dealt in shares[rank]}
        in_step, one = self._engine.partitioned, [0] * len(versions)
        if self._at == "moving":
            old = self._measured(samples, version_passes(shares, one, rank, in_step), {0: "old"})
        else:
            passes = version_passes(shares, versions, rank, in_step)
            old = self._measured(samples, passes, dict.fromkeys(versions, "past"))
        if not self._reference:
            return {batch: Frozen(v, None) for batch, v in old.items()}
        reference = self._measured(samples, version_passes(shares, one, rank, in_step), {0: None})
        return {batch: Frozen(v, reference[batch]) for batch, v in old.items()}

    def _measured(
        self, samples: Samples, passes: list[tuple[int, list[Dealt[MicroBatch]]]], role: Mapping[int, Role | None]
    ) -> dict[MicroBatch, Tensor]:
        """Velocities by micro-batch, each evaluated with the role of its version."""
        measured = {}
        for version, works in passes:
            if role[version] == "past":
                self._install(version)
            for dealt in works:
                velocity = self._velocity(samples, dealt.work, role[version])
                if dealt.counted:
                    measured[dealt.work] = velocity
        return measured

    def _install(self, version: int) -> None:
        if version not in self._ring:
            raise UnknownVersion(f"a group was sampled with version {version}; the learner keeps {sorted(self._ring)}")
        with self._engine.whole(self._policy.named_parameters("past").values(), write=True):
            self._policy.install(self._ring[version], "past")

    @torch.no_grad()
    def _velocity(self, samples: Samples, batch: MicroBatch, role: Role | None) -> Tensor:
        sample, device = _sample(samples, batch), self._engine.device
        ks, js, x_t = points(sample, batch)
        conditioning = [sample.conditioning] * len(x_t)
        with self._policy.using(role):
            t = sample.t[ks, js].to(device)
            return predict_velocity(self._engine.model, x_t.to(device), t, conditioning, self._dtype).cpu()

    def save(self, directory: Path) -> dict[str, Any]:
        """Write the ring; what it returns goes into the manifest. By one rank."""
        tensors = {f"{v}/{name}": tensor for v, s in self._ring.items() for name, tensor in s.tensors.items()}
        if tensors:
            save_file(tensors, directory / _FILE)
        return {str(version): snapshot.digest for version, snapshot in self._ring.items()}

    def load(self, directory: Path, digests: dict[str, str]) -> None:
        stored = load_file(directory / _FILE) if digests else {}
        for version, digest in digests.items():
            start = f"{version}/"
            tensors = {name.removeprefix(start): t for name, t in stored.items() if name.startswith(start)}
            self.keep(PolicySnapshot(int(version), digest, tensors))


def _sample(samples: Samples, batch: MicroBatch) -> TrainingSample:
    sample = samples[batch.group]
    assert sample is not None, "a rank fetches the groups that it computes"
    return sample


def _came_along(sample: TrainingSample, batch: MicroBatch) -> Frozen:
    if sample.v_old is None:
        raise UnknownVersion(f"group {sample.group_id} came without v_old: its worker has another `objective`")
    ks, js = (list(indices) for indices in zip(*batch.points, strict=True))
    return Frozen(sample.v_old[ks, js], None if sample.v_ref is None else sample.v_ref[ks, js])
