"""How groups leave untrained: the only place that records a drop, so that each is in the ledger, in the metrics, and
gone from the sample store."""

from collections.abc import Iterable

from oars.alignment.drops import DropReason
from services.control.group_runner import Dropped
from services.control.observer import RunObserver
from services.control.protocols import SampleStore
from services.control.stage_run import StageRun
from services.run.ledger import Ledger

# So many batches' worth of groups dropped in a row, and the stage is going nowhere.
_HOPELESS_BATCHES = 8


class NothingTrainable(RuntimeError):
    """Group after group was dropped; the message counts the reasons."""


class Drops:
    """Every admitted group that no step trains leaves by one of these."""

    def __init__(self, ledger: Ledger, observer: RunObserver, samples: SampleStore) -> None:
        self._ledger, self._observer, self._samples = ledger, observer, samples

    def group(self, running: StageRun, group_id: str, dropped: Dropped) -> None:
        """Drop one group, and make room for another. Raises NothingTrainable."""
        self._ledger.dropped(group_id, dropped.reason, dropped.detail)
        self._left(running, group_id, dropped)

    def batch(self, running: StageRun, step: int, group_ids: Iterable[str], dropped: Dropped) -> None:
        """Drop the batch that was leased to `step`, whole: which of its groups is to blame would take a step for each
        of them to tell. Raises NothingTrainable."""
        self._ledger.abandoned(step, dropped.reason, dropped.detail)
        for group_id in group_ids:
            self._left(running, group_id, dropped)

    def rest(self) -> None:
        """Drop what is in flight after RL: nothing, unless an alarm ended it."""
        for group_id in self._ledger.in_flight():
            self._ledger.dropped(group_id, DropReason.ENDED)
            self._show(group_id, Dropped(DropReason.ENDED, ""))

    def _left(self, running: StageRun, group_id: str, dropped: Dropped) -> None:
        """After it left in the ledger."""
        self._show(group_id, dropped)
        running.in_flight -= 1
        running.drops_in_a_row[dropped.reason] += 1
        total = running.drops_in_a_row.total()
        if total >= _HOPELESS_BATCHES * running.config.groups:
            reasons = ", ".join(f"{reason} {count}" for reason, count in running.drops_in_a_row.most_common())
            raise NothingTrainable(f"{running.stage.name}: the last {total} groups were dropped ({reasons})")
        running.room.set()

    def _show(self, group_id: str, dropped: Dropped) -> None:
        self._samples.forget([group_id])
        self._observer.dropped(group_id, dropped.reason, dropped.detail)
