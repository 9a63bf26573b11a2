"""Writes the results of the repository's own measurements."""

from pathlib import Path

from services.bench import result
from services.bench.result import Result, this_machine

__all__ = ["RESULTS", "Result", "this_machine", "write_result"]

RESULTS = Path(__file__).parent / "results"


def write_result(outcome: Result, folder: Path = RESULTS) -> Path:
    """Write `folder/NAME.json` whole or not at all; returns its path."""
    return result.write_result(outcome, folder)
