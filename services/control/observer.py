"""Telemetry of a run: the control plane reports events here, and decides nothing by them.

One method an event (admitted, sampled, judged, dropped, trained, published ...). Each feeds metrics.jsonl, TensorBoard,
Prometheus, log.jsonl, the progress line and the run's clocks.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from learner.report import StepReport
from oars.alignment.drops import DropReason
from oars.alignment.messages import Published, RolloutReceipt, TrainingGroup
from oars.alignment.optimality import signal
from oars.compass.outcome import Scored
from oars.config.alarms import AlarmName
from oars.report.summary import Alarm
from services.control.batches import batch_numbers
from services.control.experience import ScoredGroup
from services.control.protocols import Judgement
from services.run.clocks import Clocks
from services.run.progress import Progress, ProgressLine
from services.run.telemetry import Telemetry, step_numbers

# Scores that have a series; a judge of another kind has other readings.
_SCORES = ("reward", "fidelity", "q_lr", "q_sr", "confidence")

# So many steps in a row, none of whose groups has a spread in its rewards, are no chance any more.
_ALIKE_STEPS = 5


class RunObserver:
    """One per run, in the driver."""

    def __init__(self, telemetry: Telemetry, clocks: Clocks, progress: Progress) -> None:
        self._telemetry, self.clocks, self._progress = telemetry, clocks, progress
        self._alike = 0

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the seconds spent inside to the clock of this phase."""
        with self.clocks.measure(phase):
            yield

    def stage_began(self, name: str) -> None:
        self._telemetry.phase(name)

    def restored(self, stage: str, finished: int, leased: int, pending: int) -> None:
        """Groups that an earlier driver left in flight."""
        self._telemetry.event("restored", stage=stage, finished=finished, leased=leased, pending=pending)

    def admitted(self, in_flight: int, limit: float) -> None:
        self._telemetry.gauge("in_flight", in_flight)
        self._telemetry.gauge("admission_limit", limit)

    def attempt_failed(self, group_id: str, attempt: int, error: str) -> None:
        self._telemetry.warning("attempt_failed", group=group_id, attempt=attempt, error=error)

    def retried(self) -> None:
        self._telemetry.retried("rollout")

    def sampled(self, receipt: RolloutReceipt, queued_s: float) -> None:
        seconds = sum(receipt.seconds.values())
        self.clocks.add("rollout", seconds)
        self._telemetry.observe("sample_seconds", seconds)
        self._telemetry.observe("queue_seconds", queued_s)
        for name, value in receipt.drift.items():
            self._telemetry.gauge(name, value)

    def pictured(self, stage: str, ordinal: int, pixels: NDArray[np.uint8]) -> None:
        """uint8 [H, W, 3]: an LR and its candidates, side by side."""
        self._telemetry.image(f"{stage}/candidates", ordinal, pixels)

    def judged(self, judgement: Judgement, seconds: float, failure_rate: float) -> None:
        self.clocks.add("score", seconds)
        self._telemetry.observe("score_seconds", seconds)
        for outcome in judgement.outcomes:
            self._telemetry.candidate("scored" if isinstance(outcome, Scored) else str(outcome.reason))
            if isinstance(outcome, Scored):
                scores = {"reward": outcome.reward, **outcome.readings}
                for name in scores.keys() & _SCORES:
                    self._telemetry.observe(name, scores[name])
        self._telemetry.gauge("failure_rate", failure_rate)
        self._telemetry.retried("reward", judgement.attempt)
        if judgement.divergence is not None:
            self._telemetry.gauge("judge_divergence", judgement.divergence)

    def dropped(self, group_id: str, reason: DropReason, detail: str) -> None:
        self._telemetry.event("dropped", group=group_id, reason=reason, detail=detail)
        self._telemetry.group_left(str(reason))

    def buffered(self, groups: int) -> None:
        self._telemetry.gauge("buffered", groups)

    def trained(
        self,
        stage: str,
        step: tuple[int, int],
        batch: Sequence[ScoredGroup],
        groups: Sequence[TrainingGroup],
        staleness: Mapping[str, int],
        report: StepReport,
        version: int,
        seconds: float,
    ) -> None:
        """One optimiser step: `step` is (this one, all) of the stage; `seconds` until its policy was published."""
        behind = list(staleness.values())
        numbers = batch_numbers(batch) | {"staleness_mean": float(np.mean(behind)), "version": float(version)}
        optimality = [r for group in groups for r in group.optimality if r is not None]
        numbers |= {"optimality_signal": signal(optimality), "step_seconds": seconds, **step_numbers(report)}
        self._telemetry.step(stage, step[0], numbers)
        for value in behind:
            self._telemetry.observe("staleness", value)
        for r in optimality:
            self._telemetry.observe("optimality", r)
        self._telemetry.observe("learner_step_seconds", report.seconds)
        self._telemetry.group_left("trained", len(batch))
        note = f"reward {numbers['reward_mean']:.3f}  staleness {numbers['staleness_mean']:.1f}"
        self._alike = self._alike + 1 if numbers["zero_spread_ratio"] == 1.0 else 0
        if self._alike >= _ALIKE_STEPS:
            note += f"  WARNING: for {self._alike} steps the judge has found all candidates of each group alike"
            self._telemetry.warning("candidates_alike", steps=self._alike)
        self._progress.update(ProgressLine(stage, *step, note))

    def published(self, policy: Published, seconds: float) -> None:
        self._telemetry.event("published", version=policy.version, digest=policy.digest, bytes=policy.bytes)
        self._telemetry.observe("publish_seconds", seconds)
        self._telemetry.gauge("publish_bytes", policy.bytes)
        self._telemetry.gauge("version", policy.version)

    def checkpointed(self, path: Path) -> None:
        self._telemetry.event("checkpoint", path=path)

    def waits(self, loop_lag_s: float, reward_unavailable_s: float) -> None:
        """Report the event loop's lag, and the seconds since the reward service last answered."""
        self._telemetry.gauge("event_loop_lag_seconds", loop_lag_s)
        self._telemetry.gauge("reward_unavailable_seconds", reward_unavailable_s)
        self._telemetry.gauge("learner_idle_seconds", self.clocks["learner_idle"])

    # The watched crops

    def looked(self, step: int, levels: Mapping[AlarmName, float], alarms: Sequence[Alarm]) -> None:
        """A look at RL step `step`; it has no levels if it is the first."""
        self._telemetry.event("looked", step=step, levels=levels)
        self._telemetry.look(step, levels, {alarm.name for alarm in alarms})
        for alarm in alarms:
            said = {"step": step, "level": alarm.level, "limit": alarm.limit, "action": alarm.action}
            self._telemetry.warning("alarm", alarm=alarm.name, **said)
            print(f"{alarm.line}: {alarm.action.replace('_', ' ')}", flush=True)

    def look_failed(self, step: int, error: str) -> None:
        self._telemetry.warning("look_failed", step=step, error=error)

    # The learner

    def learner_up(self, seconds: float) -> None:
        self._telemetry.event("learner_up", seconds=seconds)

    def learner_lost(self, error: str, losses: int) -> None:
        self._telemetry.warning("learner_lost", error=error, losses=losses)

    def non_finite(self, what: str, error: str, tries_left: int) -> None:
        self._telemetry.warning("non_finite", what=what, error=error, tries_left=tries_left)

    def checkpoint_damaged(self, line: str, aside: Path) -> None:
        self._warn("checkpoint_damaged", f"{line}; set aside as {aside.name}, going on from the one before", path=aside)

    def sample_lost(self, group_id: str, line: str) -> None:
        """The step of this group is repeated without it."""
        self._warn("sample_lost", line, group=group_id)
        self.dropped(group_id, DropReason.LOST, line)

    def _warn(self, event: str, line: str, **fields: object) -> None:
        """Into the log, and onto the run's own output."""
        self._telemetry.warning(event, error=line, **fields)
        print(f"warning: {line}", flush=True)

    def step_repeated(self, version: int, digest: str, first_digest: str | None) -> None:
        """New ranks repeated a step. Deterministic kernels give the same digest; another one is worth a warning."""
        same = first_digest in (None, digest)
        report = self._telemetry.event if same else self._telemetry.warning
        report("step_repeated", version=version, digest=digest, first_digest=first_digest)
