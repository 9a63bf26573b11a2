"""What COMPASS tells Prometheus, through Ray's metrics endpoint (which puts `ray_` before each name).

Every label value exists from the start, at 0.
"""

from collections.abc import Iterable

from ray.util.metrics import Counter, Histogram

from oars.compass.outcome import CandidateOutcome, FailureReason, Scored

OUTCOMES = ("scored", *FailureReason)
TOKEN_SOURCES = ("computed", "prefix_cache")
ANSWER_SOURCES = ("engine", "known")
RETRY_REASONS = (FailureReason.DEADLINE, FailureReason.UNAVAILABLE)
_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]
_PROMPTS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
_SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]


def seeded_counter(name: str, description: str, label: str, values: Iterable[str]) -> Counter:
    counter = Counter(name, description, (label,))
    for value in values:
        # `inc` refuses 0, and a series without a value is not exported.
        counter._record(0, {label: value})
    return counter


class ReplicaMetrics:
    """One per replica process."""

    def __init__(self) -> None:
        name = "oars_compass_candidates"
        self._candidates = seeded_counter(name, "Judged candidates by outcome.", "outcome", OUTCOMES)
        self._seconds = Histogram("oars_compass_score_seconds", "Seconds of a group in the replica.", _SECONDS)
        self._confidence = Histogram("oars_compass_confidence", "Probability mass on score tokens.", _SHARES)
        self._batch = Histogram("oars_compass_batch_prompts", "Prompts in one step of the engine.", _PROMPTS)
        name = "oars_compass_prompt_tokens"
        self._tokens = seeded_counter(name, "Prompt tokens, by where they came from.", "source", TOKEN_SOURCES)
        name = "oars_compass_answers"
        self._answers = seeded_counter(name, "Answers of the judge, by where they came from.", "source", ANSWER_SOURCES)

    def group(self, outcomes: Iterable[CandidateOutcome], seconds: float) -> None:
        """Count one answered group."""
        self._seconds.observe(seconds)
        for result in outcomes:
            self._candidates.inc(tags={"outcome": "scored" if isinstance(result, Scored) else result.reason})
            if isinstance(result, Scored):
                self._confidence.observe(result.confidence)

    def step(self, prompts: int, computed: int, shared: int) -> None:
        """One step of the engine."""
        if prompts:
            self._batch.observe(prompts)
        for source, count in zip(TOKEN_SOURCES, (computed, shared), strict=True):
            self._tokens._record(count, {"source": source})

    def answer(self, source: str) -> None:
        """One answer of the judge, out of ANSWER_SOURCES."""
        self._answers.inc(tags={"source": source})


class ClientMetrics:
    """One per process that calls COMPASS."""

    def __init__(self) -> None:
        name = "oars_compass_failed_attempts"
        self._attempts = seeded_counter(name, "Attempts without an answer, by reason.", "reason", RETRY_REASONS)

    def failed_attempt(self, reason: FailureReason) -> None:
        self._attempts.inc(tags={"reason": reason})
