"""Counts the answers to bad inputs, and tells which of them are faults of the service."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

# An honest overload, or a deadline that the caller set: said with the status that is meant for it.
HONEST = {"503", "504", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
_FAULTY_CODES = {"UNKNOWN", "INTERNAL", "DATA_LOSS", "ABORTED"}


@dataclass
class Report:
    """Counts by family and answer, and every fault in words."""

    answers: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    faults: list[str] = field(default_factory=list)
    good: int = 0

    @property
    def bad_inputs(self) -> int:
        return sum(counts.total() for counts in self.answers.values())

    def add(self, family: str, answer: str) -> None:
        self.answers[family][answer] += 1
        if is_fault(answer):
            self.faults.append(f"{family}: {answer}")

    def merge(self, other: "Report") -> None:
        for family, counts in other.answers.items():
            self.answers[family] += counts
        self.faults += other.faults
        self.good += other.good

    def table(self) -> dict[str, dict[str, int]]:
        return {family: dict(counts.most_common()) for family, counts in sorted(self.answers.items())}


def is_fault(answer: str) -> bool:
    """A 5xx that is no honest overload, a code that says the server broke, or a connection held open for ever."""
    if answer in HONEST:
        return False
    return answer in _FAULTY_CODES or answer == "open" or (len(answer) == 3 and answer.startswith("5"))
