"""One group from admission to the buffer: the parts of its way, their records, and the repetition of failed attempts.

`services.align.rl_group` puts the parts in the paper's order: `sample`, `score`, `filtered`. `live` runs it until it
ends in a `ScoredGroup` or a `Dropped`; it never loses a group. A group that has its scoring in the ledger has its
sample on disk, so a driver that starts again can go on from `filtered`. What it raises ends the run: a policy that did
not arrive (AdapterMismatch), or too many failed scores (RewardsFailing).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from oars.alignment.drops import DropReason
from oars.alignment.messages import AttemptFailed, Sampled
from oars.alignment.optimality import is_degenerate
from oars.compass.outcome import Scored
from oars.config import RunConfig
from oars.retry import GiveUp, Retry
from services.control.circuit_breaker import BreakerState, CircuitBreaker, RewardsFailing
from services.control.concurrency import Concurrency
from services.control.experience import ScoredGroup
from services.control.observer import RunObserver
from services.control.policy_store import PolicyStore
from services.control.protocols import Judge, Judgement, Rollouts, SampleStore
from services.control.retry import after_failure
from services.control.source import AdmittedGroup
from services.run.ledger import Ledger
from services.run.watchdog import Watchdog

# Pictures are large: one group of so many is shown.
_PICTURE_EVERY = 16


@dataclass(frozen=True)
class Dropped:
    """A group that leaves untrained."""

    reason: DropReason
    detail: str = ""


RLGroup: TypeAlias = "Callable[[GroupRunner, AdmittedGroup, int], Awaitable[ScoredGroup | Dropped | AttemptFailed]]"
"""(runner, group, attempt) -> one attempt at a group, to its end."""


AfterFailure: TypeAlias = Callable[[int, bool], Retry | GiveUp[DropReason]]
"""(attempt from 0, timed out) -> what to do after it failed."""


def retry_policy(attempts: int, draw: Callable[[], float]) -> AfterFailure:
    """Policy of at most `attempts`; `draw` in [0, 1) spreads the waits."""
    return lambda attempt, timed_out: after_failure(attempt, attempts, timed_out, draw())


class GroupRunner:
    """Shared by all groups of a run."""

    def __init__(
        self,
        config: RunConfig,
        ledger: Ledger,
        observer: RunObserver,
        watchdog: Watchdog,
        rollouts: Rollouts,
        judge: Judge,
        policies: PolicyStore,
        samples: SampleStore,
        now: Callable[[], float],
        after_failure: AfterFailure,
    ) -> None:
        self._config, self._ledger, self._observer, self._watchdog = config, ledger, observer, watchdog
        self._rollouts, self._judge, self._policies, self._samples = rollouts, judge, policies, samples
        self._now, self._after_failure = now, after_failure
        reward = config.reward
        self.breaker = CircuitBreaker(reward.max_failure_rate, reward.failure_window, config.control.pause_s)
        # A group at the judge and one in work for each worker.
        self.concurrency = Concurrency(2 * config.rollout.workers, reward.slow_share * reward.deadline_s)
        self._living = 0
        self._asked: dict[str, float] = {}
        self._answered = 0.0

    async def live(self, group: AdmittedGroup, attempts: int, rl_group: RLGroup) -> ScoredGroup | Dropped:
        """Run `rl_group` until an attempt does not fail. `attempts` were made by drivers that are gone; they do not
        count towards the cap."""
        self._living += 1
        try:
            return await self._live(group, attempts, partial(rl_group, self, group))
        finally:
            self._living -= 1

    async def _live(
        self,
        group: AdmittedGroup,
        first: int,
        run_attempt: Callable[[int], Awaitable[ScoredGroup | Dropped | AttemptFailed]],
    ) -> ScoredGroup | Dropped:
        attempt = first
        while isinstance(end := await run_attempt(attempt), AttemptFailed):
            self._ledger.attempt_failed(group.group_id, attempt, end.error)
            self._observer.attempt_failed(group.group_id, attempt, end.error)
            decision = self._after_failure(attempt - first, end.timed_out)
            if isinstance(decision, GiveUp):
                return Dropped(decision.reason, end.error)
            attempt += 1
            self._observer.retried()
            await asyncio.sleep(decision.wait_s)
        return end

    # Sampling

    async def sample(self, group: AdmittedGroup, attempt: int) -> Sampled | AttemptFailed:
        """K candidates by the newest policy, with the proof that it was that policy. Raises AdapterMismatch."""
        version = self._policies.current.version
        request = group.request(attempt, self._config.rollout.candidates, version)
        self._ledger.attempt(group.group_id, attempt)
        with self._watchdog.waiting(f"group {group.group_id}", f"its candidates (attempt {attempt})"):
            sampled = await self._rollouts.sample(request, self._config.control.group_deadline_s)
        if isinstance(sampled, Sampled):
            self._accept(group, sampled, oldest=version)
        return sampled

    def _accept(self, group: AdmittedGroup, sampled: Sampled, oldest: int) -> None:
        """Check the receipt, then record it."""
        receipt = sampled.receipt
        self._policies.check(receipt, oldest)
        self._watchdog.beat()
        policy = (receipt.version, receipt.digest, receipt.bound_tensors)
        self._ledger.sampled(
            group.group_id, receipt.attempt, receipt.worker, *policy, sampled.queued_s, receipt.seconds
        )
        self._observer.sampled(receipt, sampled.queued_s)

    # Scoring

    async def score(self, group: AdmittedGroup, sampled: Sampled) -> ScoredGroup | AttemptFailed:
        """The candidates' rewards, while the training sample goes to disk. Raises RewardsFailing."""
        async with asyncio.TaskGroup() as beside:
            lost = beside.create_task(self._samples.keep(group.group_id, sampled.sample))
            judged = beside.create_task(self._judgement(group, sampled))
            if (kept := self._config.control.kept_pictures) and group.pair.gt is not None:
                pictures = self._samples.keep_pictures(group.group_id, group.pair, sampled.images, kept)
                beside.create_task(pictures)
            if group.ordinal % _PICTURE_EVERY == 0:
                beside.create_task(self._show(group, sampled))
        if (error := lost.result()) is not None:
            return error
        judgement, receipt = judged.result(), sampled.receipt
        self._ledger.scored(group.group_id, receipt.attempt, judgement.outcomes, dict(judgement.provenance))
        outcomes = tuple(judgement.outcomes)
        return ScoredGroup(group.group_id, group.ordinal, receipt.version, sampled.sample, outcomes)

    async def _judgement(self, group: AdmittedGroup, sampled: Sampled) -> Judgement:
        start, request = self._now(), f"{group.group_id}.{sampled.receipt.attempt}"
        self._asked[request] = start
        try:
            with self._watchdog.waiting(f"group {group.group_id}", "its scores"):
                judgement = await self._judge.score(
                    request, group.pair, sampled.images, self._config.rollout.candidates
                )
        finally:
            del self._asked[request]
        self._count(judgement, start)
        return judgement

    def _count(self, judgement: Judgement, start: float) -> None:
        """Back-pressure and circuit breaker. Raises RewardsFailing."""
        now, repeated = self._now(), judgement.attempt > 0 or not judgement.provenance
        self.concurrency.answered(start, now, self._living, repeated)
        if any(isinstance(outcome, Scored) for outcome in judgement.outcomes):
            self._answered = now
            self._watchdog.beat()
        state = self.breaker.record(judgement.outcomes, now)
        self._observer.judged(judgement, now - start, self.breaker.failure_rate)
        if state is BreakerState.STOPPED:
            raise RewardsFailing(self.breaker.reason)

    async def _show(self, group: AdmittedGroup, sampled: Sampled) -> None:
        preview = await self._samples.preview(group.pair.lr, sampled.images)
        if preview is not None:
            self._observer.pictured(group.stage.name, group.ordinal, preview)

    def room(self, unscored: int, now: float) -> float:
        """Groups that COMPASS leaves room for while so many have no score."""
        if self._asked:
            self.concurrency.unanswered(max(self._answered, min(self._asked.values())), now, unscored)
        return self.concurrency.room(unscored)

    def unanswered(self, now: float) -> float:
        """Seconds for which requests have been waiting without a single score coming back; 0 if none waits."""
        return max(0.0, now - max(self._answered, min(self._asked.values()))) if self._asked else 0.0

    # The filter

    def filtered(self, group: ScoredGroup) -> ScoredGroup | Dropped:
        """Drop a group with too few scores, or one that is all good and all alike (paper)."""
        rewards, least = group.rewards, self._config.reward.min_scored
        if len(rewards) < least:
            return Dropped(DropReason.TOO_FEW_SCORES, f"{len(rewards)} of {len(group.outcomes)}")
        if is_degenerate(rewards, self._config.objective.group_filter, self._config.reward.best):
            return Dropped(DropReason.DEGENERATE, f"mean {rewards.mean():.3f}, std {rewards.std():.4f}")
        return group
