"""One DeepSpeed rank of the learner: the phase it is in.

A rank is in one phase at a time, the cold start or RL, and a phase owns its weights. All methods but `ping` and
`address` are collective: every rank gets the same call with the same arguments.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from learner.rank_process import RankProcess
from learner.report import StepReport
from oars.alignment.messages import PolicySnapshot, TrainingGroup, TrainingSample
from oars.config import RunConfig
from oars.device import cap_device_memory
from oars.files import write_directory
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


class LearnerRank(RankProcess):
    """Runs as a Ray actor. DeepSpeed is imported inside methods, never by the driver, which imports this module too."""

    def __init__(self, config: RunConfig, rl_weights: Path | None, rank: int, world: int) -> None:
        """`rl_weights`: a transformer directory for RL in place of the base's (`stages.rl_on`); it need not be there
        before RL begins."""
        super().__init__(config.learner, rank, world)
        self._config, self._rl_weights = config, rl_weights
        self._cold_start: ColdStart | None = None
        self._rl: Reinforcement | None = None

    def cold_start_step(self, pairs: "list[Pair]") -> StepReport:
        """One optimiser step of flow-matching SFT; the first call loads the base weights. Raises WrongPhase in RL."""
        return self._in_cold_start().step(pairs)

    def save_sft(self, path: Path) -> None:
        """The fine-tuned transformer as a diffusers directory; a copy of the base's when no step was taken."""
        if self._cold_start is not None:
            self._cold_start.save_weights(path)
        elif self._rank == 0:
            base = resolve_model(self._config.generator.path, "generator") / "transformer"
            write_directory(path, lambda aside: shutil.copytree(base, aside, dirs_exist_ok=True))

    def begin_rl(self) -> None:
        """Leave the cold start: fresh weights, three fresh adapters, `current` trained."""
        from learner.reinforcement import Reinforcement

        self._leave_phase()
        cap_device_memory(self._config.learner.gpu_memory_utilization)
        self._rl = Reinforcement(self._config, self._rank, self._world, self._rl_weights)

    def train(self, batch: Sequence[TrainingGroup], version: int) -> StepReport:
        """One optimiser step on top of `version`. This rank fetches only the samples that it computes. Raises
        NothingToTrain, NonFiniteGradient, NoOldVelocity, WrongPhase, and Fenced if these ranks are elsewhere in the
        run."""
        rl, optimality = self._in_rl(), [group.optimality for group in batch]
        if rl.version != version:
            raise Fenced(f"a batch for version {version} came to a learner at version {rl.version}")
        needed = rl.groups_of_rank(optimality)
        samples = [_fetch(group.sample) if g in needed else None for g, group in enumerate(batch)]
        return rl.step(samples, optimality)

    def publish(self, version: int) -> PolicySnapshot | None:
        """`old` as version n, from rank 0 alone."""
        return self._shipped(self._in_rl().publish(version))

    def snapshot(self, role: Role, version: int) -> PolicySnapshot | None:
        """A role's adapter, from rank 0 alone."""
        return self._shipped(self._in_rl().snapshot(role, version))

    def _shipped(self, snapshot: PolicySnapshot) -> PolicySnapshot | None:
        """Every rank has the same adapter, 377 MB at full size; one copy is read."""
        return snapshot if self._rank == 0 else None

    def _enter(self, phase: str) -> None:
        self._leave_phase()
        if phase == "rl":
            self.begin_rl()

    @property
    def _zero_stage(self) -> int:
        from learner.cold_start import cold_start_zero_stage

        return cold_start_zero_stage(self._config) if self._rl is None else self._learner.zero_stage

    @property
    def _phase_name(self) -> str:
        return "cold_start" if self._rl is None else "rl"

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
            cap_device_memory(self._config.stages.cold_start.gpu_memory_utilization)
            self._cold_start = ColdStart(self._config, self._rank, self._world)
        return self._cold_start

    def _in_rl(self) -> "Reinforcement":
        if self._rl is None:
            raise WrongPhase("RL has not begun")
        return self._rl


def _fetch(sample: Any) -> TrainingSample:
    value: TrainingSample = ray.get(sample) if isinstance(sample, ray.ObjectRef) else sample
    return value
