"""One group from admission to the buffer: it is sampled, checked, kept on disk, scored and filtered.

`GroupLife.live` ends in a `ScoredGroup` or a `Dropped`; it never loses a group. A group that has its scoring in the
ledger has its sample on disk, so a driver that starts again can go on from `finished`. What it raises ends the run: a
policy that did not arrive (AdapterMismatch), or too many failed scores (RewardsFailing).
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oars.alignment.drops import DropReason
from oars.alignment.optimality import is_degenerate
from oars.compass.formula import QUALITY_RANGE
from oars.compass.outcome import Scored
from oars.generator.conditioning import resize
from rollout_workers.pool import AttemptFailed, Sampled
from services.control.circuit_breaker import BreakerState, CircuitBreaker, RewardsFailing
from services.control.concurrency import Concurrency
from services.control.experience import ScoredGroup
from services.control.policy_store import PolicyStore
from services.control.protocols import Judge, Judgement, Rollouts, Samples
from services.control.retry import GiveUp, after_failure
from services.control.sample_store import SampleLost
from services.control.source import AdmittedGroup
from services.run.run import Run

# Pictures are large: one group of so many is shown.
_PICTURE_EVERY = 16


@dataclass(frozen=True)
class Dropped:
    """A group that leaves untrained."""

    reason: DropReason
    detail: str = ""


class GroupLife:
    """Shared by all groups of a run."""

    def __init__(
        self,
        run: Run,
        rollouts: Rollouts,
        judge: Judge,
        store: PolicyStore,
        samples: Samples,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._run, self._rollouts, self._judge, self._store = run, rollouts, judge, store
        self._samples, self._draw = samples, draw
        config, reward, control = run.config, run.config.reward, run.config.control
        self.breaker = CircuitBreaker(reward.max_failure_rate, reward.failure_window, control.pause_s)
        # A group at the judge and one in work for each worker.
        self.concurrency = Concurrency(2 * config.rollout.workers, reward.slow_share * reward.deadline_s)
        self._living = 0
        self._asked: dict[str, float] = {}
        self._answered = 0.0

    async def live(self, group: AdmittedGroup, attempts: int = 0) -> ScoredGroup | Dropped:
        """`attempts` were made by drivers that are gone; they do not count towards the cap."""
        self._living += 1
        try:
            return await self._live(group, attempts)
        finally:
            self._living -= 1

    async def _live(self, group: AdmittedGroup, attempts: int) -> ScoredGroup | Dropped:
        sampled = await self._sampled(group, attempts)
        if isinstance(sampled, Dropped):
            return sampled
        if group.ordinal % _PICTURE_EVERY == 0:
            await self._show(group, sampled)
        judgement = await self._judged(group, sampled)
        outcomes = tuple(judgement.outcomes)
        return self.finished(
            ScoredGroup(group.group_id, group.ordinal, sampled.receipt.version, sampled.sample, outcomes)
        )

    async def _show(self, group: AdmittedGroup, sampled: Sampled) -> None:
        """LR (resized) and the candidates, side by side, in TensorBoard."""
        images: NDArray[np.uint8] = await sampled.images
        lr = resize(group.pair.lr, *images.shape[1:3])
        self._run.telemetry.image(f"{group.stage}/candidates", group.ordinal, np.concatenate([lr, *images], axis=1))

    def room(self, unscored: int, now: float) -> float:
        """Groups that COMPASS leaves room for while so many have no score."""
        if self._asked:
            self.concurrency.unanswered(max(self._answered, min(self._asked.values())), now, unscored)
        return self.concurrency.room(unscored)

    def unanswered(self, now: float) -> float:
        """Seconds for which requests have been waiting without a single score coming back; 0 if none waits."""
        return max(0.0, now - max(self._answered, min(self._asked.values()))) if self._asked else 0.0

    async def _sampled(self, group: AdmittedGroup, attempt: int) -> Sampled | Dropped:
        first, control = attempt, self._run.config.control
        while True:
            result = await self._attempt(group, attempt)
            if isinstance(result, Sampled):
                return result
            self._run.ledger.attempt_failed(group.group_id, attempt, result.error)
            self._run.telemetry.warning("attempt_failed", group=group.group_id, attempt=attempt, error=result.error)
            decision = after_failure(attempt - first, control.group_attempts, result.timed_out, self._draw())
            if isinstance(decision, GiveUp):
                return Dropped(decision.reason, result.error)
            attempt += 1
            if self._run.telemetry.prometheus:
                self._run.telemetry.prometheus.retried("rollout")
            await asyncio.sleep(decision.delay_s)

    async def _attempt(self, group: AdmittedGroup, attempt: int) -> Sampled | AttemptFailed:
        run, version = self._run, self._store.current.version
        request = group.request(attempt, run.config.rollout.candidates, version)
        run.ledger.attempt(group.group_id, attempt)
        with run.watchdog.waiting(f"group {group.group_id}", f"its candidates (attempt {attempt})"):
            result = await self._rollouts.sample(request, run.config.control.group_deadline_s)
        if isinstance(result, AttemptFailed):
            return result
        self._accept(group, result, version)
        try:
            await self._samples.keep(group.group_id, result.sample)
        except SampleLost as error:
            return AttemptFailed(str(error), timed_out=False)
        return result

    def _accept(self, group: AdmittedGroup, sampled: Sampled, oldest: int) -> None:
        """Check the receipt, then record it."""
        run, receipt = self._run, sampled.receipt
        self._store.check(receipt, oldest)
        run.watchdog.beat()
        policy = (receipt.version, receipt.digest, receipt.bound_tensors)
        run.ledger.sampled(group.group_id, receipt.attempt, receipt.worker, *policy, sampled.queued_s, receipt.seconds)
        seconds = sum(receipt.seconds.values())
        run.clocks.add("rollout", seconds)
        run.telemetry.observe("sample_seconds", seconds)
        run.telemetry.observe("queue_seconds", sampled.queued_s)
        for name, value in receipt.drift.items():
            run.telemetry.gauge(name, value)

    async def _judged(self, group: AdmittedGroup, sampled: Sampled) -> Judgement:
        run, start = self._run, self._run.now()
        with run.watchdog.waiting(f"group {group.group_id}", "its scores"):
            request = f"{group.group_id}.{sampled.receipt.attempt}"
            self._asked[request] = start
            try:
                judgement = await self._judge.score(request, group.pair, sampled.images)
            finally:
                del self._asked[request]
        repeated = judgement.provenance.get("attempt", 0) > 0 or not judgement.provenance
        self.concurrency.answered(start, run.now(), self._living, repeated)
        run.clocks.add("score", run.now() - start)
        run.telemetry.observe("score_seconds", run.now() - start)
        run.ledger.scored(group.group_id, sampled.receipt.attempt, judgement.outcomes, dict(judgement.provenance))
        self._count(judgement)
        return judgement

    def _count(self, judgement: Judgement) -> None:
        """Metrics, and the breaker. Raises RewardsFailing."""
        run = self._run
        for outcome in judgement.outcomes:
            if run.telemetry.prometheus:
                run.telemetry.prometheus.candidate("scored" if isinstance(outcome, Scored) else str(outcome.reason))
            if isinstance(outcome, Scored):
                for name in ("reward", "fidelity", "q_lr", "q_sr", "confidence"):
                    run.telemetry.observe(name, getattr(outcome, name))
        if any(isinstance(outcome, Scored) for outcome in judgement.outcomes):
            self._answered = run.now()
            run.watchdog.beat()
        if self.breaker.record(judgement.outcomes, run.now()) is BreakerState.STOPPED:
            raise RewardsFailing(self.breaker.reason)
        run.telemetry.gauge("failure_rate", self.breaker.failure_rate)
        if run.telemetry.prometheus:
            run.telemetry.prometheus.retried("reward", int(judgement.provenance.get("attempt", 0)))
        if judgement.divergence is not None:
            run.telemetry.gauge("judge_divergence", judgement.divergence)

    def finished(self, group: ScoredGroup) -> ScoredGroup | Dropped:
        """The filter: what is to become of a group that has its scoring."""
        config, rewards = self._run.config, group.rewards
        if len(rewards) < config.reward.min_scored:
            return Dropped(DropReason.TOO_FEW_SCORES, f"{len(rewards)} of {len(group.outcomes)}")
        if is_degenerate(rewards, config.objective.group_filter, QUALITY_RANGE[1]):
            return Dropped(DropReason.DEGENERATE, f"mean {rewards.mean():.3f}, std {rewards.std():.4f}")
        return group
