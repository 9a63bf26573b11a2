"""A rollout worker's series in Ray's Prometheus endpoint."""

from typing import TypeVar

from ray.util.metrics import Counter, Gauge

from oars.series import Series

SERIES = {
    "oars_installed_version": Series("gauge", "Version that the worker holds; -1 before the first", {"worker": ()}),
    "oars_images": Series("counter", "Candidates drawn", {"worker": ()}),
    "oars_rollout_seconds": Series("counter", "Seconds of rollout work, by phase", {"worker": (), "phase": ()}),
}

MetricT = TypeVar("MetricT", Counter, Gauge)


class WorkerMetrics:
    """One per worker process; `worker` is its name."""

    def __init__(self, worker: str) -> None:
        self._version = _create(Gauge, "oars_installed_version")
        self._images = _create(Counter, "oars_images")
        self._seconds = _create(Counter, "oars_rollout_seconds")
        for metric in (self._version, self._images, self._seconds):
            metric.set_default_tags({"worker": worker})
        self.installed(-1)

    def installed(self, version: int) -> None:
        self._version.set(version)

    def sampled(self, images: int, seconds: dict[str, float]) -> None:
        """Count one group: `images` candidates, and the seconds of each phase."""
        self._images.inc(images)
        for phase, value in seconds.items():
            self._seconds.inc(value, {"phase": phase})


def _create(kind: type[MetricT], name: str) -> MetricT:
    series = SERIES[name]
    return kind(name, series.description, tuple(series.labels))
