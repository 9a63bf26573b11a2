"""Report of a load: latencies, rate, refusals, failures, and the engines' work meanwhile. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from oars.compass.outcome import Failed
from reward_server.statistics import EngineStatistics
from services.bench.load import ENDS, Sample


@dataclass(frozen=True)
class Latency:
    """Seconds of the answered requests; None if there were none."""

    p50: float | None
    p95: float | None
    p99: float | None
    worst: float | None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        if not seconds:
            return cls(None, None, None, None)
        return cls(*(float(value) for value in np.percentile(seconds, [50, 95, 99, 100])))


@dataclass(frozen=True)
class Account:
    """Report of one load on one gateway."""

    requests: dict[str, int]
    """Requests by end, one of `services.bench.load.ENDS`."""
    seconds: float
    """Seconds from the first request to the last answer."""
    pairs: int
    """Scored."""
    pairs_per_s: float
    failed: dict[str, int]
    """Pairs of answered requests that got no score, by reason."""
    shed_rate: float
    latency: Latency
    judges: dict[str, int]
    """Answers by judge digest."""
    replicas: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Account":
        answered = [sample for sample in samples if sample.end == "answered"]
        ends = Counter(sample.end for sample in samples)
        first = min((sample.started_s for sample in samples), default=0.0)
        last = max((sample.started_s + sample.seconds for sample in samples), default=0.0)
        pairs = sum(sample.scored for sample in answered)
        outcomes = [outcome for sample in answered for outcome in sample.outcomes]
        return cls(
            requests={end: ends[end] for end in ENDS},
            seconds=last - first,
            pairs=pairs,
            pairs_per_s=pairs / (last - first) if last > first else 0.0,
            failed=dict(Counter(str(outcome.reason) for outcome in outcomes if isinstance(outcome, Failed))),
            shed_rate=ends["shed"] / len(samples) if samples else 0.0,
            latency=Latency.of([sample.seconds for sample in answered]),
            judges=dict(Counter(str(sample.judge) for sample in answered)),
            replicas=len({sample.replica for sample in answered}),
        )


@dataclass(frozen=True)
class EngineAccount:
    """Work of all replicas' engines between two readings of their statistics."""

    steps: int
    prompts_per_step: float
    """Mean over steps that took prompts in."""
    largest_batch: int
    shared_tokens: float
    """Share of the prompt tokens that came from the prefix cache."""
    known_pictures: float
    """Share of the pictures that prompts named and that were preprocessed already."""
    pictures_encoded: int
    score_cache: int

    @classmethod
    def of(cls, work: EngineStatistics) -> "EngineAccount":
        full = {size: count for size, count in work.batches.items() if size}
        return cls(
            steps=work.steps,
            prompts_per_step=_share(sum(size * count for size, count in full.items()), sum(full.values())),
            largest_batch=max(full, default=0),
            shared_tokens=_share(work.shared_tokens, work.shared_tokens + work.computed_tokens),
            known_pictures=_share(work.pictures_known, work.pictures_seen),
            pictures_encoded=work.pictures_encoded,
            score_cache=work.answers_known,
        )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def as_details(account: Account, engine: EngineAccount | None) -> dict[str, object]:
    """JSON values for `Result.details`."""
    return {"requests": asdict(account), "engine": asdict(engine) if engine else None}
