"""Pictures of one input that people have scored: files and scores, whatever format they were written in."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rated:
    """One input; tuples have an entry a picture."""

    name: str
    lr: Path
    gt: Path | None
    candidates: tuple[str, ...]
    """Names of the pictures, or of the methods that made them."""
    families: tuple[str, ...]
    """Empty where the format says none."""
    files: tuple[Path, ...]
    scores: tuple[float, ...]
    """Higher is better."""
