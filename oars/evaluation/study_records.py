"""A blinded study and its outcome: `study.json`, the key that the raters' page does not hold, and `tally.json`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from oars.evaluation.intervals import Interval

SCHEMA_VERSION = 1
Side = Literal["a", "b"]
Choice = Literal["a", "b", "tie"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Trial(_Record):
    """Two pictures of one scene; the page knows the id alone, and shows the sides in an order of each rater's own."""

    id: str
    scene: str
    a: str
    """Model."""
    b: str
    right: Side | None = None
    """Attention check: the side that is not spoiled. None for a question."""


class Study(_Record):
    """study.json."""

    schema_version: int = SCHEMA_VERSION
    seed: int
    models: tuple[str, ...]
    trials: tuple[Trial, ...]
    values: dict[str, dict[str, dict[str, float]]]
    """Scene -> model -> metric -> value, as far as they were measured."""
    lower_is_better: tuple[str, ...]


class Vote(_Record):
    """One rater's answer to one trial; a later one of the same rater replaces it."""

    rater: str
    trial: str
    choice: Choice
    milliseconds: NonNegativeInt
    """From the pictures' appearance to the vote."""


class Rater(_Record):
    """How attentive a rater was."""

    rater: str
    votes: int
    checks: int
    right: int
    """Checks with the right answer."""
    kept: bool
    """False: too many checks wrong; the rater's votes count nowhere."""
    median_seconds: float


class PairShare(_Record):
    """How often people preferred one model to another; a tie is half a vote for each."""

    model: str
    over: str
    share: Interval
    """`count` is the number of votes; resampled by scene."""
    ties: int


class ModelScore(_Record):
    """One model over all its trials."""

    model: str
    share: Interval
    bradley_terry: Interval
    """Logits, mean 0 over the models; a difference of 1 is a preference of 73 %."""


class Agreement(_Record):
    """How far raters agree with one another."""

    trials: int
    """Those with two raters or more."""
    raw: float | None
    """Share of pairs of votes on one trial that are the same."""
    alpha: float | None
    """Krippendorff's, nominal: 1 is perfect, 0 is chance."""


class Follower(_Record):
    """A metric or a judge's reading: share of trials on which it prefers what most raters prefer."""

    name: str
    share: Interval


class Tally(_Record):
    """tally.json."""

    schema_version: int = SCHEMA_VERSION
    raters: tuple[Rater, ...]
    votes: int
    """Of kept raters, on questions."""
    pairs: tuple[PairShare, ...]
    models: tuple[ModelScore, ...]
    """The most preferred first."""
    agreement: Agreement
    followers: tuple[Follower, ...]
    """The one that follows people most first."""
