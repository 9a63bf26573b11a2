"""The driver's view of the judge's training: its ranks as one."""

from collections.abc import Sequence
from pathlib import Path

from learner.judge_rank import JudgeRank, JudgeStep
from learner.ranks import Ranks
from oars.compass.training.files import JudgeFiles
from oars.config.judge_training import JudgeTrainingConfig


class JudgeGroup(Ranks):
    """All ranks of one training; made by `start`."""

    @classmethod
    async def start(cls, config: JudgeTrainingConfig, files: JudgeFiles) -> "JudgeGroup":
        """Reserve, create and connect the ranks. Raises LearnerUnavailable."""
        return await cls.of(JudgeRank, "judge", config.learner, config.start_deadline_s, config, files)

    async def prepare(self) -> int:
        """One step of a new miniature's preparation; the steps done so far. The last one writes its directory."""
        steps: int = await self._all("prepare")
        return steps

    async def begin(self) -> None:
        """Load the judge to start from, and the examples."""
        await self._all("begin")

    async def step(self) -> JudgeStep:
        """One optimiser step. Raises NonFiniteGradient."""
        report: JudgeStep = await self._all("step")
        return report

    async def measure(self, groups: Sequence[int]) -> list[float]:
        """For each of these validation groups, the share of its pairs in the right order."""
        parts = await self._gather([rank.measure.remote(groups) for rank in self._ranks])
        return [accuracy for _, accuracy in sorted(entry for part in parts for entry in part)]

    async def write(self, path: Path, beside: dict[str, str]) -> None:
        """The judge as it is now, whole or not at all; `beside`: file name -> text, next to its weights."""
        await self._all("write", path.absolute(), beside)
