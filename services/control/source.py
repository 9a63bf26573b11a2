"""The LR images of a stage: its n-th input follows from the run's seed alone."""

import asyncio
import hashlib
from dataclasses import dataclass

from oars.alignment.messages import RolloutRequest
from oars.alignment.stage import Stage
from oars.config import RunConfig
from oars.imaging.crops import Pair, low_quality_input, training_pair
from oars.imaging.survey import survey
from oars.seeds import derive_seed


@dataclass(frozen=True)
class AdmittedGroup:
    """A group as it is admitted; an attempt at it becomes a `RolloutRequest`."""

    group_id: str
    ordinal: int
    stage: Stage
    pair: Pair
    seed: int

    def request(self, attempt: int, candidates: int, version: int) -> RolloutRequest:
        return RolloutRequest(
            group_id=self.group_id,
            attempt=attempt,
            lr=self.pair.lr,
            seed=self.seed,
            candidates=candidates,
            version=version,
        )


class InputSource:
    """The photos of the run's training split that can be used. Raises NoPhotos if a split has none."""

    def __init__(self, config: RunConfig, run_id: str) -> None:
        self._config, self._run_id = config, run_id
        found = survey(config.data, config.seed)
        self._photos, self._low_quality = found.train, found.low_quality

    def pair(self, stage: Stage, index: int) -> Pair:
        """Input `index` of a stage."""
        data, seed = self._config.data, derive_seed(self._config.seed, stage.name)
        if stage.has_ground_truth:
            return training_pair(self._photos, data, seed, index)
        return low_quality_input(self._photos, data, seed, index, self._low_quality)

    def pairs(self, stage: Stage, start: int, count: int) -> list[Pair]:
        return [self.pair(stage, index) for index in range(start, start + count)]

    def watched(self, count: int) -> list[Pair]:
        """Pairs of training photos for the alarms, the same at every look."""
        seed = derive_seed(self._config.seed, "watch")
        return [training_pair(self._photos, self._config.data, seed, index) for index in range(count)]

    async def group(self, stage: Stage, index: int, ordinal: int) -> AdmittedGroup:
        """Group number `ordinal` of the run, about input `index` of its stage.

        The id names the run and the input's number, so that it stays when a photo has become unreadable; with the
        attempt it names a request. The seed knows neither run nor attempt, so that a repeated attempt, or a run that
        starts over, draws the same candidates.
        """
        pair = await asyncio.to_thread(self.pair, stage, index)
        group_id = hashlib.sha256(f"{self._run_id}\x1f{stage.name}\x1f{index}".encode()).hexdigest()[:16]
        seed = derive_seed(self._config.seed, stage.name, pair.image_id, "group")
        return AdmittedGroup(group_id, ordinal, stage, pair, seed)
