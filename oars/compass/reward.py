"""The reward R: a pure function of a candidate's readings, named in the config, computed where it is used.

The function takes readings by the names of its arguments, and settings of its own from `reward.parameters`. Its path,
its settings and a digest of its source go into the provenance of every score, so that another formula shows.
"""

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Self

from oars.compass.outcome import CandidateOutcome, Failed, FailureReason, Judged, Scored
from oars.dotted import BadPath, load, source_digest
from oars.errors import UserError

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class BadReward(UserError, ValueError):
    """A reward function that cannot be used; the message is one line naming the field."""


@dataclass(frozen=True)
class Reward:
    """A reward function with its parameters."""

    path: str
    function: Callable[..., float]
    parameters: Mapping[str, float]
    takes: frozenset[str]
    """Readings that the function takes."""
    needs: frozenset[str]
    """Those without a default."""
    provenance: dict[str, str]
    """The function's path, its settings, and the SHA-256 of its source."""

    @classmethod
    def load(cls, path: str, parameters: Mapping[str, float]) -> Self:
        """Import the function at a dotted path. Raises BadReward."""
        try:
            function = load(path)
            digest = source_digest(function)
            arguments = inspect.signature(function).parameters.values()
        except (BadPath, TypeError) as error:
            raise BadReward(f"reward.function: {error}") from error
        named = {argument.name for argument in arguments if argument.kind in _BY_NAME}
        if unknown := sorted(parameters.keys() - named):
            raise BadReward(f"reward.parameters: {path} takes no {', '.join(unknown)}")
        defaults = {a.name: a.default for a in arguments if a.default is not a.empty}
        settings = ", ".join(f"{name}={value}" for name, value in {**defaults, **parameters}.items())
        provenance = {"reward_function": path, "reward_settings": settings, "reward_digest": digest}
        takes = frozenset(named - parameters.keys())
        return cls(path, function, dict(parameters), takes, takes - defaults.keys(), provenance)

    def check(self, readings: Collection[str]) -> None:
        """Raises BadReward, in one line, if a judge that reads these does not fit the function."""
        reads = f"the judge reads {', '.join(readings)}"
        if missing := sorted(self.needs.difference(readings)):
            raise BadReward(f"reward.function: {self.path} takes {', '.join(missing)}; {reads}")
        if twice := sorted(self.parameters.keys() & set(readings)):
            raise BadReward(f"reward.parameters: {', '.join(twice)} cannot be set; {reads}")

    def score(self, outcome: Judged | Failed, measured: Mapping[str, float] | None = None) -> CandidateOutcome:
        """R of a candidate. What was `measured` (F against GT) replaces the reading of that name.

        A reading or a reward that is no finite number is a failure.
        """
        if isinstance(outcome, Failed):
            return outcome
        readings = {**outcome.readings, **(measured or {})}
        reward = self._value(readings) if all(map(math.isfinite, readings.values())) else math.nan
        if not math.isfinite(reward):
            said = ", ".join(f"{name} {value:.3g}" for name, value in readings.items())
            return Failed(reason=FailureReason.NON_FINITE, detail=f"reward {reward}: {said}")
        return Scored(readings=readings, reward=reward)

    def _value(self, readings: Mapping[str, float]) -> float:
        taken = {name: value for name, value in readings.items() if name in self.takes}
        try:
            return float(self.function(**taken, **self.parameters))
        except (ArithmeticError, ValueError):
            return math.nan  # Python raises for 1 / 0 and log(0), which have no finite value
