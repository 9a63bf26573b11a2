"""Writes a run's numbers, pictures and events to metrics.jsonl, TensorBoard, Prometheus and log.jsonl.

`log.jsonl` carries one JSON object a line with run and group ids; stdout gets few, human lines (see `progress.py`).
"""

import json
import logging
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from learner.report import StepReport
from oars.config.alarms import AlarmName
from services.run.prometheus import GAUGES, LOSS_PARTS, Prometheus

_LOGGER = "oars"


class _JsonLines(logging.Formatter):
    """One JSON object a record: time, level, event, run, and the fields given with `extra={"fields": ...}`."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self._run_id = run_id

    def format(self, record: logging.LogRecord) -> str:
        line = {"at": round(record.created, 3), "level": record.levelname.lower(), "run": self._run_id}
        line |= {"event": record.getMessage(), **getattr(record, "fields", {})}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _File(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Silent: a log that cannot be written is no reason to print a traceback for each of its lines."""


class Telemetry:
    """One per run, in the driver. `prometheus` is None outside a cluster."""

    def __init__(self, run_dir: Path, run_id: str, prometheus: Prometheus | None) -> None:
        self._prometheus = prometheus
        self._metrics = end_last_line(run_dir / "metrics.jsonl").open("a", buffering=1)
        self._board = SummaryWriter(str(run_dir / "tensorboard"), flush_secs=30)
        self._handler = _File(end_last_line(run_dir / "log.jsonl"))
        self._handler.setFormatter(_JsonLines(run_id))
        self._log = logging.getLogger(_LOGGER)
        self._log.setLevel(logging.INFO)
        self._log.propagate = False
        self._log.addHandler(self._handler)

    def close(self) -> None:
        self._board.close()
        self._metrics.close()
        self._log.removeHandler(self._handler)
        self._handler.close()

    def event(self, name: str, **fields: object) -> None:
        self._log.info(name, extra={"fields": fields})

    def warning(self, name: str, **fields: object) -> None:
        self._log.warning(name, extra={"fields": fields})

    def exception(self, name: str, error: BaseException) -> None:
        self._log.error(name, exc_info=error)

    def phase(self, name: str) -> None:
        self.event("phase", phase=name)
        if self._prometheus:
            self._prometheus.phase(name)

    def step(self, stage: str, step: int, scalars: dict[str, float]) -> None:
        """Numbers of one optimiser step; `step` counts within the stage. Names with a gauge also go there."""
        row = {"at": round(time.time(), 3), "stage": stage, "step": step, **scalars}
        self._metrics.write(json.dumps(row) + "\n")
        for name, value in scalars.items():
            self._board.add_scalar(f"{stage}/{name}", value, step)
        for name in GAUGES.keys() & scalars.keys():
            self.gauge(name, scalars[name])
        for part in LOSS_PARTS:
            if self._prometheus and (name := _loss_name(part)) in scalars:
                self._prometheus.loss(part, scalars[name])
        self.gauge("last_step_timestamp_seconds", time.time())

    def look(self, step: int, levels: Mapping[AlarmName, float], alarms: Collection[AlarmName]) -> None:
        """Levels of a look at RL step `step` of the run, and the alarms that it raised."""
        for name, level in levels.items():
            self._board.add_scalar(f"alarms/{name}", level, step)
            if self._prometheus:
                self._prometheus.level(name, level, name in alarms)

    def gauge(self, name: str, value: float) -> None:
        if self._prometheus:
            self._prometheus.set(name, value)

    def observe(self, name: str, value: float) -> None:
        if self._prometheus:
            self._prometheus.observe(name, value)

    def group_left(self, exit_: str, count: int = 1) -> None:
        if self._prometheus:
            self._prometheus.group_left(exit_, count)

    def candidate(self, outcome: str) -> None:
        if self._prometheus:
            self._prometheus.candidate(outcome)

    def retried(self, role: str, count: int = 1) -> None:
        if self._prometheus:
            self._prometheus.retried(role, count)

    def image(self, tag: str, step: int, pixels: NDArray[np.uint8]) -> None:
        """uint8 [H, W, 3]"""
        self._board.add_image(tag, pixels, step, dataformats="HWC")


def end_last_line(path: Path) -> Path:
    """The same path, whose next line will be one of its own, also after a driver that died inside a line."""
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
    return path


def step_numbers(report: StepReport) -> dict[str, float]:
    """The learner's report of a step, flat: `loss` is the total, its parts are `loss_<part>`."""
    losses = {_loss_name(part): value for part, value in report.loss.items()}
    return {**losses, **report.drift, "grad_norm": report.grad_norm, "seconds": report.seconds, "eta": report.eta}


def _loss_name(part: str) -> str:
    return "loss" if part == "total" else f"loss_{part}"
