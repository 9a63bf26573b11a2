"""Stacked bars: seconds by phase of each role, and what became of groups and candidates."""

from collections.abc import Mapping
from dataclasses import dataclass

from oars.alignment.drops import DropReason
from oars.compass.outcome import FailureReason
from oars.report.summary import Summary


@dataclass(frozen=True)
class Part:
    """One segment; `kind` is its colour (CSS class `kind-...`)."""

    label: str
    value: float
    kind: str


@dataclass(frozen=True)
class Bar:
    label: str
    parts: list[Part]

    @property
    def total(self) -> float:
        return sum(part.value for part in self.parts)


def phase_bars(summary: Summary) -> list[Bar]:
    """Seconds, one bar a role."""
    spent = summary.seconds
    learner = [Part("training", spent.train, "learner"), Part("publishing", spent.publish, "publish")]
    return _shown(
        [
            Bar("Rollout workers", [Part("sampling", spent.rollout, "rollout"), _idle(summary, "rollout")]),
            Bar("Judge", [Part("scoring", spent.score, "judge")]),
            Bar("Learner", [*learner, _idle(summary, "learner")]),
        ]
    )


def outcome_bars(summary: Summary) -> list[Bar]:
    """Counts: groups trained or dropped by reason, candidates scored or failed by reason."""
    groups, candidates = summary.groups, summary.candidates
    return _shown(
        [
            Bar("Groups", [Part("trained", groups.trained, "learner"), *_reasons(groups.dropped, "dropped")]),
            Bar("Candidates", [Part("scored", candidates.scored, "judge"), *_reasons(candidates.failed, "failed")]),
        ]
    )


def _idle(summary: Summary, role: str) -> Part:
    return Part("idle", summary.seconds.idle.get(role, 0.0), "idle")


def _reasons(counts: Mapping[DropReason, int] | Mapping[FailureReason, int], what: str) -> list[Part]:
    return [Part(f"{what}: {reason.replace('_', ' ')}", count, "lost") for reason, count in counts.items()]


def _shown(bars: list[Bar]) -> list[Bar]:
    return [Bar(bar.label, [part for part in bar.parts if part.value > 0]) for bar in bars if bar.total > 0]
