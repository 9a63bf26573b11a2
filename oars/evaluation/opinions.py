"""Reads a folder of SR pictures that people have scored, and what judge and metrics say of them.

    mos.csv          columns `file` (a picture, relative to the folder) and `score`, more is better; also `input`, where
                     the rule below does not find it
    lr/<input>.png   the inputs
    hr/<input>.png   ground truths, where there are any

A picture's input is the one whose name its own name is, or begins with before a `_`: `lr/bird.png` is that of
`sr/bird.png`, `seesr/bird.png` and `bird_seesr.png`. Pictures of one input are a group; people are compared with inside
it. Judge and metrics see the pictures whole.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

import numpy as np

from oars.compass.judge import Judge
from oars.evaluation.benchmarks import BadBenchmark, files_by_name
from oars.evaluation.scored import ScoredGroup, Values, rated_group
from oars.imaging.image_io import read_image
from oars.metrics.measured import lower_is_better_of, measured
from oars.names import printable

MOS = "mos.csv"
_INPUTS, _REFERENCES = "lr", "hr"


@dataclass(frozen=True)
class Rated:
    """All scored pictures of one input."""

    name: str
    lr: Path
    gt: Path | None
    files: tuple[str, ...]
    scores: tuple[float, ...]


def rated(folder: Path) -> list[Rated]:
    """The groups, by input. Raises BadBenchmark naming file and line."""
    inputs, references = (_pictures(folder / name) for name in (_INPUTS, _REFERENCES))
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    for file, score, owner in _rows(folder / MOS, inputs):
        if not (folder / file).is_file():
            raise BadBenchmark(f"{printable(folder / MOS)}: no picture {printable(file)}")
        groups[owner][file] = score
    return [
        Rated(name, inputs[name], references.get(name), tuple(scores), tuple(scores.values()))
        for name, scores in sorted(groups.items())
    ]


def scored(folder: Path, judge: Judge, told: Callable[[int, int], None]) -> list[ScoredGroup]:
    """Every group as the judge reads it and metrics measure it; `told(done, total)`. Raises BadBenchmark, BadImage."""
    groups, found = rated(folder), []
    for group in groups:
        found.append(_scored(folder, group, judge))
        told(len(found), len(groups))
    return found


def _scored(folder: Path, group: Rated, judge: Judge) -> ScoredGroup:
    lr, pictures = read_image(group.lr), [read_image(folder / file) for file in group.files]
    gt = read_image(group.gt) if group.gt is not None else None
    for file, picture in zip(group.files, pictures, strict=True):
        if gt is not None and picture.shape != gt.shape:
            raise BadBenchmark(f"{printable(folder / file)}: its size is not that of {printable(str(group.gt))}")
    readings = [judge.score(lr, picture[None])[0] for picture in pictures]
    metrics = _columns([measured(picture, gt, ()) for picture in pictures])
    return rated_group(group.name, group.files, ("",) * len(pictures), readings, metrics, group.scores)


def _columns(rows: list[dict[str, float]]) -> dict[str, Values]:
    """Signed so that higher is better; NaN where a picture lacks the metric."""
    lower, names = lower_is_better_of(()), dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, nan) for row in rows]) * (-1 if name in lower else 1) for name in names}


def _rows(path: Path, inputs: dict[str, Path]) -> Iterator[tuple[str, float, str]]:
    """(file, score, name of the input)"""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadBenchmark(f"{printable(path)}: cannot be read: {error}") from error
    table = csv.DictReader(text.splitlines(), skipinitialspace=True)
    if not {"file", "score"} <= set(table.fieldnames or ()):
        raise BadBenchmark(f"{printable(path)}: its first line must name the columns file and score")
    for row in table:
        where = f"{printable(path)}: line {table.line_num}"
        yield row["file"], _score(row["score"], where), _owner(row, inputs, where)


def _score(text: str | None, where: str) -> float:
    try:
        score = float(text or "")
    except ValueError:
        score = nan
    if not isfinite(score):
        raise BadBenchmark(f"{where}: expected a number as score, got {text!r}")
    return score


def _owner(row: dict[str, str], inputs: dict[str, Path], where: str) -> str:
    """The longest name that fits."""
    stem = Path(row.get("input") or row["file"]).stem
    fitting = [name for name in inputs if stem == name or stem.startswith(f"{name}_")]
    if not fitting:
        raise BadBenchmark(f"{where}: {printable(row['file'])} has no input in {_INPUTS}/; name it in a column input")
    return max(fitting, key=len)


def _pictures(folder: Path) -> dict[str, Path]:
    return files_by_name(folder) if folder.is_dir() else {}
