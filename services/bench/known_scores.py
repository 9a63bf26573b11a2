"""Checks each answer of a load against the readings that the same group had when nothing else was going on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oars.compass.outcome import Judged, JudgeOutcome
from services.bench.load import Sample


@dataclass(frozen=True)
class Comparison:
    """Result of a load whose readings are known."""

    answers: int
    unscored: int
    """Pairs without readings, of answered and unanswered requests alike."""
    wrong: int
    """Pairs with a reading that is off by more than the tolerance."""
    largest_error: float


def compare(
    samples: Sequence[Sample],
    known: Mapping[str, Sequence[Sequence[JudgeOutcome]]],
    tolerance: float,
) -> Comparison:
    """`known`: judge digest -> outcomes of the groups in turn; number n is group n modulo their count.

    An answer of a judge that is not known is wrong.
    """
    errors, unscored = list[float](), 0
    for sample in samples:
        groups = known.get(str(sample.judge))
        if not sample.outcomes or groups is None:
            unscored += not sample.outcomes
            errors += [float("inf")] * len(sample.outcomes)
            continue
        truth = groups[sample.number % len(groups)]
        for outcome, expected in zip(sample.outcomes, truth, strict=True):
            if isinstance(outcome, Judged) and isinstance(expected, Judged):
                errors.append(max(abs(value - expected.readings[name]) for name, value in outcome.readings.items()))
            else:
                unscored += 1
    return Comparison(
        answers=sum(bool(sample.outcomes) for sample in samples),
        unscored=unscored,
        wrong=sum(error > tolerance for error in errors),
        largest_error=max(errors, default=0.0),
    )
