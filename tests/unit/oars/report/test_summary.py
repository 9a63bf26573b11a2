"""summary.json is one documented, versioned model that reads back as written."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from oars.alignment.drops import DropReason
from oars.compass.outcome import FailureReason
from oars.evaluation.intervals import bootstrap_mean
from oars.report.summary import SCHEMA_VERSION, Groups, HeldOut, Summary, read_summary, write_summary


def summary() -> Summary:
    reward = bootstrap_mean([1.0, 2.0, 3.0])
    return Summary(
        run_id="r",
        name="tiny",
        status="succeeded",
        started_at="2026-01-01T00:00:00+00:00",
        groups=Groups(admitted=3, generated=3, scored=3, trained=2, dropped={DropReason.STALE: 1}),
        held_out={"sft": HeldOut(metrics={"reward": reward}, images=3)},
        paired={"aligned-sft": {"reward": reward}},
    )


def test_it_reads_back_as_written(tmp_path: Path) -> None:
    path = write_summary(summary(), tmp_path)
    assert path == tmp_path / "summary.json" and read_summary(tmp_path) == summary()
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]


def test_it_carries_its_schema_version(tmp_path: Path) -> None:
    assert f'"schema_version": {SCHEMA_VERSION}' in write_summary(summary(), tmp_path).read_text()


def test_every_reason_is_there_at_zero() -> None:
    empty = Summary(run_id="r", name="n", status="failed", started_at="")
    assert set(empty.groups.dropped) == set(DropReason) and not any(empty.groups.dropped.values())
    assert set(empty.candidates.failed) == set(FailureReason)


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(ValidationError):
        Summary.model_validate(summary().model_dump() | {"surprise": 1})
