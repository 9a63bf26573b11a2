"""`results.json` of `oars eval`: what was compared on what, and every number of its tables."""

from pydantic import BaseModel, ConfigDict, PositiveInt

from oars.evaluation.intervals import Interval

SCHEMA_VERSION = 1
RESULTS = "results.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Source(_Record):
    """A benchmark folder, and what became of its pictures."""

    folder: str
    strength: float | None
    """Strength of the degradation of its pictures; None: inputs as they are."""


class CommonLattice(_Record):
    """The strongest lattice that a model's outputs have in common (oars/metrics/lattice.py)."""

    period: int
    """Pixels."""
    amplitude: float
    """Grey levels, rms; photos read about 0."""


class BenchmarkResult(_Record):
    """All models on one benchmark."""

    source: Source
    pictures: PositiveInt
    models: dict[str, dict[str, Interval]]
    """Model -> metric -> mean over pictures."""
    paired: dict[str, dict[str, Interval]]
    """Model -> metric -> model minus baseline, picture by picture."""
    lattices: dict[str, CommonLattice] = {}
    """Model -> lattice; of all outputs together, so it has no interval. Absent for fewer than two outputs of 64 px."""


class Evaluation(_Record):
    """results.json."""

    schema_version: int = SCHEMA_VERSION
    seed: int
    scale: int
    limit: int | None
    """Pictures a benchmark; None: all."""
    baseline: str
    judge: str | None
    """The judge behind the COMPASS readings; None: not asked."""
    models: dict[str, str]
    """Model -> what was asked for, such as `run:ID`."""
    lower_is_better: tuple[str, ...]
    benchmarks: dict[str, BenchmarkResult]
