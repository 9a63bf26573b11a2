"""`looks.jsonl` of a run: every look at the watched crops with its levels and the alarms that it raised; and the policy
of the last good look, `good.safetensors`. What a resumed driver, the summary and a roll-back go on from.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from oars.alignment.messages import PolicySnapshot
from oars.config.alarms import AlarmName
from oars.evaluation.watch import Look
from oars.files import write_whole
from oars.report.summary import Alarm
from services.run.telemetry import end_last_line


class Entry(BaseModel):
    """One line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    look: Look
    levels: dict[AlarmName, float]
    """Empty for the first look, which the others are compared with."""
    alarms: list[Alarm]


@dataclass(frozen=True)
class Looks:
    """The looks of the run in this directory."""

    directory: Path

    def entries(self) -> list[Entry]:
        """In order; a line that a kill tore is left out."""
        path = self._path
        return [entry for line in path.read_text().splitlines() if (entry := _entry(line))] if path.exists() else []

    def add(self, entry: Entry) -> None:
        with end_last_line(self._path).open("a") as file:
            file.write(entry.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def keep(self, policy: PolicySnapshot) -> None:
        """As the last good one."""
        names = {"version": str(policy.version), "digest": policy.digest}
        write_whole(self._policy, lambda path: save_file(policy.tensors, path, metadata=names))

    def good(self) -> PolicySnapshot:
        """The policy of the last good look. Raises OSError if there was none."""
        names = self._names()
        return PolicySnapshot(int(names["version"]), names["digest"], load_file(self._policy))

    @property
    def good_version(self) -> int | None:
        """RL step of that policy; None if there was none."""
        return int(self._names()["version"]) if self._policy.exists() else None

    def _names(self) -> dict[str, str]:
        with safe_open(self._policy, framework="pt") as file:
            names: dict[str, str] = file.metadata()
        return names

    @property
    def _path(self) -> Path:
        return self.directory / "looks.jsonl"

    @property
    def _policy(self) -> Path:
        return self.directory / "good.safetensors"


def ending(entries: Sequence[Entry]) -> Alarm | None:
    """The alarm that ended RL, if one did; a roll-back before a stop."""
    alarms = [alarm for entry in entries for alarm in entry.alarms]
    by_action = {alarm.action: alarm for alarm in reversed(alarms)}
    return by_action.get("roll_back") or by_action.get("stop")


def _entry(line: str) -> Entry | None:
    try:
        return Entry.model_validate_json(line)
    except ValidationError:
        return None
