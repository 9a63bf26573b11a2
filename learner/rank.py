"""One DeepSpeed rank: the process, the phase it is in, and its checkpoints.

A rank is in one phase at a time, the cold start or RL, and a phase owns its weights. All methods but `ping` and
`address` are collective: every rank gets the same call with the same arguments.
"""

import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
import torch

from learner import checkpoint
from learner.checkpoint import BadCheckpoint
from learner.plan import Optimality
from learner.random_state import random_state, set_random_state
from learner.report import StepReport
from oars.alignment.group import PolicySnapshot, TrainingSample
from oars.config import RunConfig
from oars.generator.policy import Role
from oars.miniature import resolve_model

if TYPE_CHECKING:
    from learner.cold_start import ColdStart
    from learner.reinforcement import Reinforcement
    from oars.imaging.crops import Pair


class WrongPhase(RuntimeError):
    """A call that belongs to another phase."""


class Fenced(RuntimeError):
    """A batch that these ranks must not train on: they are not at the version that it was leased for."""


class LearnerRank:
    """Runs as a Ray actor. DeepSpeed is imported inside methods: it reads DS_ACCELERATOR when it is imported, and the
    driver, which imports this module too, never needs it."""

    def __init__(self, config: RunConfig, rank: int, world: int) -> None:
        if config.learner.resources.num_gpus == 0:
            os.environ["DS_ACCELERATOR"] = "cpu"
        torch.set_num_threads(config.learner.resources.threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        self._config, self._rank, self._world = config, rank, world
        self._cold_start: ColdStart | None = None
        self._rl: Reinforcement | None = None

    @ray.method(concurrency_group="health")
    def ping(self) -> int:
        """The process id; answers during a step."""
        return os.getpid()

    def address(self) -> str:
        """host:port on this node where the ranks can meet."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            return f"{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"

    def connect(self, address: str) -> None:
        from learner.engine import join

        join(self._rank, self._world, address)

    def cold_start_step(self, pairs: "list[Pair]") -> StepReport:
        """One optimiser step of flow-matching SFT; the first call loads the base weights. Raises WrongPhase in RL."""
        return self._in_cold_start().step(pairs)

    def save_sft(self, path: Path) -> None:
        """The fine-tuned transformer as a diffusers directory; a copy of the base's when no step was taken."""
        if self._cold_start is not None:
            self._cold_start.save_weights(path)
        elif self._rank == 0:
            base = resolve_model(self._config.generator.path, "generator") / "transformer"
            shutil.copytree(base, checkpoint.begin(path), dirs_exist_ok=True)
            checkpoint.publish(path)

    def begin_rl(self) -> None:
        """Leave the cold start: fresh base weights, three fresh adapters, `current` trained."""
        from learner.reinforcement import Reinforcement

        self._leave_phase()
        self._rl = Reinforcement(self._config, self._rank, self._world)

    def train(self, batch: Sequence[tuple[Any, int, Optimality]], version: int) -> StepReport:
        """One optimiser step on top of `version`, on a batch of groups: (TrainingSample or its ObjectRef, version that
        sampled it, optimality) each. This rank fetches only the groups that it computes. Raises NothingToTrain,
        NonFiniteGradient, UnknownVersion, WrongPhase, and Fenced if these ranks are elsewhere in the run."""
        rl, (refs, versions, optimality) = self._in_rl(), zip(*batch, strict=True)
        if rl.version != version:
            raise Fenced(f"a batch for version {version} came to a learner at version {rl.version}")
        needed = rl.groups_of_rank(optimality)
        samples = [_fetch(ref) if g in needed else None for g, ref in enumerate(refs)]
        return rl.step(samples, versions, optimality)

    def publish(self, version: int) -> PolicySnapshot:
        """`old` as version n."""
        return self._in_rl().publish(version)

    def snapshot(self, role: Role, version: int) -> PolicySnapshot:
        return self._in_rl().snapshot(role, version)

    def save(self, path: Path, meta: dict[str, Any]) -> None:
        """A checkpoint directory, whole or not at all; `meta` (JSON) is handed back by `load`."""
        from learner.engine import barrier

        if self._rank == 0:
            checkpoint.begin(path)
        barrier()
        aside = checkpoint.partial(path)
        state = self._phase.save(aside)
        torch.save(random_state(), aside / f"rng_{self._rank}.pt")
        barrier()
        if self._rank == 0:
            checkpoint.write_manifest(aside, {**self._shape, "state": state, "meta": meta})
            checkpoint.publish(path)
        barrier()

    def load(self, path: Path) -> dict[str, Any]:
        """Enter the checkpoint's phase and state; returns its `meta`. Raises BadCheckpoint."""
        manifest = checkpoint.verify(path)
        self._leave_phase()
        if manifest["phase"] == "rl":
            self.begin_rl()
        if differing := [name for name, value in self._shape.items() if manifest[name] != value]:
            name = differing[0]
            raise BadCheckpoint(f"{path}: saved with {name} {manifest[name]}, this learner has {self._shape[name]}")
        self._phase.load(path, manifest["state"])
        set_random_state(torch.load(path / f"rng_{self._rank}.pt"))
        meta: dict[str, Any] = manifest["meta"]
        return meta

    @property
    def _shape(self) -> dict[str, Any]:
        """What must be the same to load a checkpoint: optimiser state is split by rank."""
        phase = "cold_start" if self._rl is None else "rl"
        return {"phase": phase, "ranks": self._world, "zero_stage": self._config.learner.zero_stage}

    @property
    def _phase(self) -> "ColdStart | Reinforcement":
        return self._in_cold_start() if self._rl is None else self._rl

    def _leave_phase(self) -> None:
        for phase in (self._cold_start, self._rl):
            if phase is not None:
                phase.close()
        self._cold_start = self._rl = None

    def _in_cold_start(self) -> "ColdStart":
        from learner.cold_start import ColdStart

        if self._rl is not None:
            raise WrongPhase("the cold start is over: RL has begun")
        if self._cold_start is None:
            self._cold_start = ColdStart(self._config, self._rank, self._world)
        return self._cold_start

    def _in_rl(self) -> "Reinforcement":
        if self._rl is None:
            raise WrongPhase("RL has not begun")
        return self._rl


def _fetch(sample: Any) -> TrainingSample:
    value: TrainingSample = ray.get(sample) if isinstance(sample, ray.ObjectRef) else sample
    return value
