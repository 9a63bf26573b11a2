"""Writes summary.json and report.html of a run, however it ended."""

import time
from datetime import UTC, datetime
from pathlib import Path

from oars.metrics.by_name import lower_is_better
from oars.report.page import write_report
from oars.report.summary import Candidates, Groups, Seconds, Staleness, Status, Summary, write_summary
from services.results.held_out import Results
from services.run.looks import ending
from services.run.run import Run

# What of a score's provenance is the same for the whole run.
_IDENTITY = (
    "judge_digest",
    "prompt_version",
    "basis",
    "calibration_digest",
    "reward_function",
    "reward_settings",
    "reward_digest",
)

# Above this share of the trained groups, what was trained is hardly what the judge wants.
_ALIKE_SHARE = 0.5


def summarise(run: Run, status: Status, reason: str, results: Results | None, peak_memory_gib: float) -> Summary:
    """Counts come from the ledger, which is the truth; times from the run's clocks."""
    counts, behind, clocks = run.ledger.counts(), run.ledger.staleness(), run.clocks
    started, provenance = run.ledger.started(), run.ledger.provenance()
    workers, entries = run.config.rollout.workers, run.looks.entries()
    ended = ending(entries)
    idle = {"rollout": max(0.0, workers * clocks.rl - clocks["rollout"]), "learner": clocks["learner_idle"]}
    return Summary(
        run_id=run.id,
        name=run.config.name,
        status=status,
        reason=reason,
        warnings=_warnings(run.ledger.alike(), len(behind)),
        looks=max(0, len(entries) - 1),  # the first is what the others are compared with
        alarms=[alarm for entry in entries for alarm in entry.alarms],
        rolled_back_to=run.looks.good_version if ended and ended.action == "roll_back" else None,
        labels=run.config.labels,
        started_at=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        seconds_total=max(0.0, time.time() - started),  # unless the clock was put back
        stages=run.stages,
        groups=Groups(
            admitted=counts.admitted,
            generated=counts.sampled,
            scored=counts.scored,
            trained=counts.trained,
            dropped=counts.dropped,
            in_flight=counts.in_flight,
        ),
        candidates=Candidates(scored=counts.candidates_scored, failed=counts.candidates_failed),
        staleness=Staleness(mean=sum(behind) / len(behind), max=max(behind)) if behind else Staleness(),
        versions_published=run.ledger.versions(),
        images_per_second=counts.candidates_scored / clocks.rl if clocks.rl else 0.0,
        seconds=Seconds(
            rollout=clocks["rollout"],
            score=clocks["score"],
            train=clocks["train"],
            publish=clocks["publish"],
            idle=idle,
        ),
        held_out=results.held_out if results else {},
        paired=results.paired if results else {},
        lower_is_better=lower_is_better(run.config.metrics if results else ()),
        judge={name: str(provenance[name]) for name in _IDENTITY if provenance.get(name) is not None},
        refresh=run.refreshed,
        peak_memory_gib=peak_memory_gib,
    )


def _warnings(alike: int, trained: int) -> list[str]:
    """`alike` of the trained groups had one reward for all candidates."""
    if alike <= _ALIKE_SHARE * trained:
        return []
    return [
        f"the judge found all candidates alike in {alike} of {trained} trained groups, which taught nothing: look at "
        "judge, prompt and reward before the result"
    ]


def write_up(summary: Summary, directory: Path) -> Path:
    """Write both; returns the report's path."""
    write_summary(summary, directory)
    return write_report(directory)
