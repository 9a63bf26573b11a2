"""The table that `oars simulate` prints."""

from rich.table import Table

from services.simulate.rehearsal import Rehearsal
from services.simulate.scenario import Scenario

_HOUR = 3600
# A conductor that is busy half of the time still answers at once.
_LOAD = 0.5


def rehearsal_table(scenario: Scenario, result: Rehearsal) -> Table:
    table = Table("", "", title=f"rehearsal of {scenario.name}", show_header=False)
    for name, value in _rows(scenario, result):
        table.add_row(name, value)
    return table


def workers_per_conductor(scenario: Scenario, result: Rehearsal) -> int:
    """Rollout workers that one conductor can feed with half of a core."""
    return int(_LOAD * scenario.rollout.sample.mean / result.cpu_s_per_group)


def _rows(scenario: Scenario, result: Rehearsal) -> list[tuple[str, str]]:
    dropped = {str(reason): count for reason, count in result.dropped.items() if count}
    failed = {str(reason): count for reason, count in result.candidates_failed.items() if count}
    roles = f"{scenario.rollout.workers} workers, {scenario.judge.replicas} replicas"
    return [
        ("roles", f"{roles}, {scenario.learner.groups} groups a step, S = {scenario.control.max_staleness}"),
        ("groups trained", f"{result.trained} in {result.seconds / _HOUR:.1f} h of virtual time"),
        (
            "throughput",
            f"{result.groups_per_second * _HOUR:.1f} groups/h, {result.share_of_bound:.1%} of the bound "
            f"{result.bound * _HOUR:.1f} ({result.bottleneck})",
        ),
        ("images a second", f"{result.groups_per_second * scenario.rollout.candidates:.3f}"),
        ("idle", ", ".join(f"{role} {share:.1%}" for role, share in result.idle.items())),
        ("staleness", f"mean {result.staleness_mean:.2f}, max {result.staleness_max}"),
        ("dropped", _counts(dropped)),
        ("candidates without a score", _counts(failed)),
        ("attempts that failed", str(result.failed_attempts)),
        ("learner lost", str(result.learner_losses)),
        ("conductor", f"{1000 * result.cpu_s_per_group:.1f} ms CPU a group, control plane and stand-ins"),
        ("workers one conductor feeds", f"{workers_per_conductor(scenario, result)}, at half a core"),
        ("ledger", "; ".join(result.violations[:3]) or "every group left exactly once"),
    ]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
