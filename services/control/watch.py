"""Looks at fixed training crops while the run trains, and ends RL where an alarm says so.

A look restores the watched crops with the newest policy, one crop after the other, so that it takes at most one rollout
worker from the groups; then it is measured, judged and compared with the first look. It runs beside the training and
decides between steps. Invariants: the first look is of the policy that RL began with; one look at a time; what is
decided is on disk (services/run/looks.py) before it is acted on. A look that fails is left out, with a warning.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Protocol

from oars.alignment.messages import AttemptFailed, PolicySnapshot, RolloutRequest, Sampled
from oars.compass.outcome import Scored
from oars.config import RunConfig
from oars.evaluation.watch import Look, Measures, compared
from oars.imaging.crops import Pair
from oars.seeds import derive_seed
from services.control.alarms import is_good, raised
from services.control.observer import RunObserver
from services.control.policy_store import PolicyStore
from services.control.protocols import Judge, Rollouts
from services.run.looks import Entry, Looks, ending
from services.run.stopping import StopRequest

PAUSED = 3
"""Exit code of a run that an alarm paused."""


class Measure(Protocol):
    """What of a look is measured on its pictures (oars.evaluation.watch.measured), elsewhere."""

    async def __call__(self, images: Sequence[Any], pairs: Sequence[Pair]) -> Measures | AttemptFailed:
        """`images` are ObjectRefs."""


@dataclass
class Watch:
    """One per run."""

    config: RunConfig
    pairs: Sequence[Pair]
    """The watched crops, with ground truth."""
    looks: Looks
    observer: RunObserver
    stop: StopRequest
    rollouts: Rollouts
    judge: Judge
    policies: PolicyStore
    measure: Measure
    snapshot: Callable[[int], Awaitable[PolicySnapshot]]
    """The learner's evaluation average as of a version."""

    def __post_init__(self) -> None:
        self._entries = self.looks.entries()
        self.ended = ending(self._entries)
        """The alarm that ended RL."""

    @property
    def begun(self) -> bool:
        return bool(self._entries)

    def due(self, step: int) -> bool:
        return step % self.config.alarms.every == 0

    def kept(self) -> PolicySnapshot | None:
        """The policy that a roll-back goes back to; None if RL was not rolled back."""
        return self.looks.good() if self.ended and self.ended.action == "roll_back" else None

    async def look(self, step: int, policy: PolicySnapshot) -> None:
        """At the newest version; `policy` is what is merged at the end, as of now."""
        look = await self._look(step)
        if isinstance(look, AttemptFailed):
            self.observer.look_failed(step, look.error)
            return
        entry = self._compared(look)
        self.looks.add(entry)
        self._entries.append(entry)
        self.observer.looked(step, entry.levels, entry.alarms)
        if is_good(entry.levels, self.config.alarms):
            self.looks.keep(policy)
        self._act(entry)

    def _compared(self, look: Look) -> Entry:
        if not self._entries:
            return Entry(look=look, levels={}, alarms=[])
        now = compared([entry.look for entry in self._entries], look)
        history = [entry.levels for entry in self._entries[1:]] + [now]
        return Entry(look=look, levels=now, alarms=raised(look.step, history, self.config.alarms))

    def _act(self, entry: Entry) -> None:
        self.ended = ending([entry]) or self.ended
        for alarm in entry.alarms:
            if alarm.action == "pause" and not self.ended:
                self.stop.request(f"paused: {alarm.line}; --resume goes on", PAUSED)

    # One look

    async def _look(self, step: int) -> Look | AttemptFailed:
        sampled: list[Sampled] = []
        for number, pair in enumerate(self.pairs):
            one = await self._sampled(step, number, pair)
            if isinstance(one, AttemptFailed):
                return one
            sampled.append(one)
        images = [one.images for one in sampled]
        measured = await self.measure(images, self.pairs)
        if isinstance(measured, AttemptFailed):
            return measured
        judged = await self._judged(step, images)
        if isinstance(judged, AttemptFailed):
            return judged
        norms = {name: [one.receipt.drift[name] for one in sampled] for name in ("x0_norm", "velocity_norm")}
        crops, lattice = measured
        readings, judge = judged
        return Look(step=step, crops={**crops, **norms, **readings}, lattice=lattice, judge=judge)

    async def _sampled(self, step: int, number: int, pair: Pair) -> Sampled | AttemptFailed:
        """The same noise at every look."""
        version, seed = self.policies.current.version, derive_seed(self.config.seed, "watch", number)
        request = RolloutRequest(f"watch-{step}-{number}", 0, pair.lr, seed, self.config.alarms.candidates, version)
        sampled = await self.rollouts.sample(request, self.config.control.group_deadline_s)
        if isinstance(sampled, Sampled):
            self.policies.check(sampled.receipt, version)
        return sampled

    async def _judged(self, step: int, images: Sequence[Any]) -> tuple[dict[str, list[float]], str] | AttemptFailed:
        """Means over the outputs of each crop, by the judge's own F: the same reward in both stages. And the judge's
        digest."""
        rewards, confidences, count, judge = [], [], self.config.alarms.candidates, ""
        for number, (pair, ref) in enumerate(zip(self.pairs, images, strict=True)):
            judgement = await self.judge.score(f"watch-{number}.{step}", replace(pair, gt=None), ref, count)
            scored = [outcome for outcome in judgement.outcomes if isinstance(outcome, Scored)]
            if not scored:
                return AttemptFailed(f"crop {number}: no score: {judgement.outcomes[0]}", timed_out=False)
            judge = judgement.provenance.get("judge_digest") or ""
            rewards.append(fmean(one.reward for one in scored))
            # A judge of another kind has no confidence: it never loses any.
            confidences.append(fmean(one.readings.get("confidence", 1.0) for one in scored))
        return {"reward": rewards, "confidence": confidences}, judge
