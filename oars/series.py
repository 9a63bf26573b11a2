"""A Prometheus series as a value. Each role lists its series in one table: it creates them, generates docs/metrics.md
and is what the dashboards are tested against.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Series:
    """Ray exports `name` as `ray_name`, a counter with `_total`, a histogram with `_bucket`, `_sum` and `_count`."""

    kind: Literal["gauge", "counter", "histogram"]
    description: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Label -> its values; no values: they are not known in advance."""
    boundaries: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets."""

    @property
    def exported(self) -> tuple[str, ...]:
        """Endings of the names that Ray exports."""
        endings = {"gauge": ("",), "counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
        return endings[self.kind]
