"""A data set of a judge that is not whole is one line, before a cluster starts or a judge loads."""

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import fails_with
from compass_data import write_tiny_dataset

pytestmark = pytest.mark.usefixtures("no_cluster")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "manifest.json": (empty, "Invalid JSON"),
    "inputs/00001.parquet": (cut, "no Parquet file, or cut short"),
    "transitions/method_2.00000.parquet": (Path.unlink, "missing"),
}
OF_LABELS: dict[str, tuple[Callable[[Path], None], str]] = {
    "labels.json": (empty, "Invalid JSON"),
    "labels/00002.parquet": (empty, "no Parquet file, or cut short"),
    "groups/00000.parquet": (Path.unlink, "missing"),
}


@pytest.mark.parametrize("name", [*DAMAGES, *OF_LABELS])
def test_a_file_that_is_missing_or_cut_short_is_named(name: str, tmp_path: Path) -> None:
    data, (damage, fault) = tmp_path / "data", (DAMAGES | OF_LABELS)[name]
    write_tiny_dataset(data)
    damage(data / name)
    commands = [
        ["compass", "train", str(data), "--out", str(tmp_path / "judge")],
        ["compass", "calibrate", "miniature", str(data), "--out", str(tmp_path / "calibration.json")],
        ["compass", "eval", "miniature", str(data), "--out", str(tmp_path / "evaluation"), "--ablation"],
    ]
    if name in DAMAGES:
        commands.append(["compass", "annotate", str(data)])
    for command in commands:
        assert f"{data / name}: {fault}" in fails_with(*command), command
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
