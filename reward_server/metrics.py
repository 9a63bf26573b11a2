"""The series of COMPASS in Ray's Prometheus endpoint. Every label value exists from the start, at 0."""

from collections.abc import Iterable

from ray.util.metrics import Counter, Histogram

from oars.compass.outcome import FailureReason, Judged, JudgeOutcome
from oars.series import Series
from reward_server.compat.ray import count

OUTCOMES = ("judged", *FailureReason)
TOKEN_SOURCES = ("computed", "prefix_cache")
ANSWER_SOURCES = ("engine", "known")
RETRY_REASONS = (FailureReason.DEADLINE, FailureReason.UNAVAILABLE)
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_PROMPTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


SERIES = {
    "oars_compass_candidates": Series("counter", "Judged candidates by outcome", {"outcome": OUTCOMES}),
    "oars_compass_score_seconds": Series("histogram", "Seconds of a group in the replica", {}, _SECONDS),
    "oars_compass_confidence": Series("histogram", "Probability mass on score tokens", {}, _SHARES),
    "oars_compass_batch_prompts": Series("histogram", "Prompts in one step of the engine", {}, _PROMPTS),
    "oars_compass_prompt_tokens": Series("counter", "Prompt tokens, by origin", {"source": TOKEN_SOURCES}),
    "oars_compass_answers": Series("counter", "Answers of the judge, by origin", {"source": ANSWER_SOURCES}),
    "oars_compass_failed_attempts": Series("counter", "Attempts without answer, by reason", {"reason": RETRY_REASONS}),
}


def _counter(name: str) -> Counter:
    """The counter, with every value of its one label at 0."""
    series = SERIES[name]
    counter = Counter(name, series.description, tuple(series.labels))
    ((label, values),) = series.labels.items()
    for value in values:
        count(counter, 0, {label: value})  # a series without a value is not exported
    return counter


def _histogram(name: str) -> Histogram:
    series = SERIES[name]
    return Histogram(name, series.description, list(series.boundaries))


class ReplicaMetrics:
    """One per replica process."""

    def __init__(self) -> None:
        self._candidates = _counter("oars_compass_candidates")
        self._seconds = _histogram("oars_compass_score_seconds")
        self._confidence = _histogram("oars_compass_confidence")
        self._batch = _histogram("oars_compass_batch_prompts")
        self._tokens = _counter("oars_compass_prompt_tokens")
        self._answers = _counter("oars_compass_answers")

    def group(self, outcomes: Iterable[JudgeOutcome], seconds: float) -> None:
        """Count one answered group."""
        self._seconds.observe(seconds)
        for result in outcomes:
            self._candidates.inc(tags={"outcome": "judged" if isinstance(result, Judged) else result.reason})
            if isinstance(result, Judged) and "confidence" in result.readings:
                self._confidence.observe(result.readings["confidence"])

    def step(self, prompts: int, computed: int, shared: int) -> None:
        """One step of the engine."""
        if prompts:
            self._batch.observe(prompts)
        for source, tokens in zip(TOKEN_SOURCES, (computed, shared), strict=True):
            count(self._tokens, tokens, {"source": source})

    def answer(self, source: str) -> None:
        """One answer of the judge, out of ANSWER_SOURCES."""
        self._answers.inc(tags={"source": source})


class ClientMetrics:
    """One per process that calls COMPASS."""

    def __init__(self) -> None:
        self._attempts = _counter("oars_compass_failed_attempts")

    def failed_attempt(self, reason: FailureReason) -> None:
        self._attempts.inc(tags={"reason": reason})
