"""Questions to a run's ledger, answered in lines: what happened to a group, and where the time went. It only reads, so
it may be asked while the run goes on, and after it was killed.
"""

import json
import sqlite3
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.run.ledger_file import reading
from services.run.ledger_rules import violations
from services.run.run_directory import BadRun


@dataclass(frozen=True)
class Phase:
    """Time that groups spent in one phase of their life, seconds."""

    name: str
    groups: int
    mean: float
    p95: float
    total: float


class History:
    """One run's ledger, open for reading; made by `of`."""

    def __init__(self, ledger: sqlite3.Connection) -> None:
        self._ledger = ledger
        ledger.row_factory = sqlite3.Row

    @classmethod
    @contextmanager
    def of(cls, run: Path) -> Iterator["History"]:
        """Raises BadRun if the run has no ledger, or one of an older OARS."""
        with reading(run / "ledger.sqlite") as ledger:
            yield cls(ledger)

    def violations(self, final: bool) -> list[str]:
        self._ledger.row_factory = None
        return violations(self._ledger, final)

    def counts(self) -> str:
        """One line about a run of which there is no summary (yet)."""
        names = {
            "admitted": "groups",
            "scored": "scorings",
            "trained": "exits WHERE reason IS NULL",
            "dropped": "exits WHERE reason IS NOT NULL",
            "steps": "steps WHERE done IS NOT NULL",
            "versions": "(SELECT DISTINCT version FROM versions)",
            "drivers": "drivers",
        }
        counts = {name: self._rows(f"SELECT COUNT(*) AS n FROM {source}")[0]["n"] for name, source in names.items()}
        return ", ".join(f"{name} {count}" for name, count in counts.items())

    def group(self, name: str) -> list[str]:
        """The life of one group, by its number, the beginning of its id, or its image. Raises BadRun."""
        found = self._rows(
            "SELECT * FROM groups WHERE group_id LIKE ? || '%' OR CAST(ordinal AS TEXT) = ? OR image_id = ?",
            *[name] * 3,
        )
        if len(found) != 1:
            raise BadRun(f"group {name!r}: {len(found) or 'no'} groups with this number, id or image")
        (group,) = found
        lines = [
            f"group {group['group_id']}: number {group['ordinal']} of the run, input {group['input']} of "
            f"{group['stage']}, image {group['image_id']}, seed {group['seed']}"
        ]
        facts = sorted(self._facts(group), key=lambda fact: fact[0])
        return lines + [f"{at - group['at']:9.2f} s  {text}" for at, text in facts]

    def phases(self) -> list[Phase]:
        """Time by phase, in the order of a group's life."""
        seconds: dict[str, list[float]] = {}
        for row in self._rows("SELECT queued, seconds FROM samples"):
            for name, value in {"wait for a worker": row["queued"], **json.loads(row["seconds"])}.items():
                seconds.setdefault(name, []).append(value)
        for name, query in _INTERVALS.items():
            seconds[name] = [row["s"] for row in self._rows(query)]
        return [_phase(name, values) for name, values in seconds.items() if values]

    def workers(self) -> str:
        """One line: the newest version that each worker sampled with, and how many groups it sampled."""
        query = "SELECT worker, MAX(version) AS version, COUNT(*) AS n FROM samples GROUP BY worker"
        rows = sorted(self._rows(query), key=lambda row: (len(row["worker"]), row["worker"]))
        return "workers: " + (", ".join(f"{r['worker']} at version {r['version']} ({r['n']})" for r in rows) or "none")

    def _facts(self, group: sqlite3.Row) -> Iterator[tuple[float, str]]:
        """(Unix time, what) of everything that the ledger knows of a group."""
        key = group["group_id"]
        yield group["at"], f"admitted; newest version {group['version']}"
        for row in self._rows("SELECT * FROM attempts WHERE group_id = ?", key):
            failed = f": failed: {row['error']}" if row["error"] else ""
            yield row["at"], f"attempt {row['attempt']} by driver {row['driver']}{failed}"
        for row in self._rows("SELECT * FROM samples WHERE group_id = ?", key):
            spent = ", ".join(f"{name} {value:.2f}" for name, value in json.loads(row["seconds"]).items())
            policy = f"version {row['version']} ({row['digest']}, {row['bound_tensors']} tensors bound)"
            text = f"sampled by {row['worker']} with {policy}; seconds: queued {row['queued']:.2f}, {spent}"
            yield row["at"], f"attempt {row['attempt']} {text}"
        for row in self._rows("SELECT * FROM scorings WHERE group_id = ?", key):
            yield row["at"], self._scores(key, json.loads(row["provenance"]))
        for row in self._rows("SELECT * FROM leases JOIN steps USING (step) WHERE group_id = ?", key):
            yield row["at"], f"leased to step {row['step']}, {row['staleness']} versions after its sampling"
            if row["done"]:
                yield row["done"], f"step {row['step']} done"
        for row in self._rows("SELECT * FROM exits WHERE group_id = ?", key):
            dropped = f"dropped: {row['reason']} {row['detail']}".rstrip()
            yield row["at"], dropped if row["reason"] else f"trained: a checkpoint holds step {row['step']}"

    def _scores(self, key: str, provenance: dict[str, Any]) -> str:
        rows = self._rows("SELECT * FROM scores WHERE group_id = ?", key)
        rewards = [row["reward"] for row in rows if row["failure"] is None]
        failures = [f"candidate {row['candidate']} {row['failure']}" for row in rows if row["failure"]]
        spread = f", rewards {min(rewards):.3f} to {max(rewards):.3f}" if rewards else ""
        digests = {name: str(provenance.get(f"{name}_digest", "none"))[:12] for name in ("judge", "reward")}
        by = f"replica {provenance.get('replica', 'none')}, judge {digests['judge']}, reward {digests['reward']}"
        return "; ".join([f"scored by {by}: {len(rewards)} of {len(rows)} candidates{spread}", *failures])

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        return self._ledger.execute(query, values).fetchall()


_INTERVALS = {
    "scoring": "SELECT c.at - s.at AS s FROM scorings c JOIN samples s USING (group_id, attempt)",
    "held": "SELECT t.at - c.at AS s FROM leases JOIN steps t USING (step) JOIN scorings c USING (group_id)",
    "optimiser step": "SELECT done - at AS s FROM leases JOIN steps USING (step) WHERE done IS NOT NULL",
    "until its checkpoint": "SELECT e.at - t.done AS s FROM exits e JOIN steps t USING (step)",
}


def _phase(name: str, values: list[float]) -> Phase:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return Phase(name, len(values), statistics.fmean(values), p95, sum(values))
