"""Finds a folder's SR pictures that people have scored, without opening one or loading anything.

    mos.csv          columns `file` (a picture, relative to the folder) and `score`, more is better; also `input`, where
                     the rule below does not find it
    lr/<input>.png   the inputs
    hr/<input>.png   ground truths, where there are any

A picture's input is the one whose name its own name is, or begins with before a `_`: `lr/bird.png` is that of
`sr/bird.png`, `seesr/bird.png` and `bird_seesr.png`. Pictures of one input are a group; people are compared with inside
it. A folder without mos.csv has SRIQA-Bench's format (`sriqa.py`).
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from math import isfinite, nan
from pathlib import Path

from oars.evaluation import sriqa
from oars.evaluation.benchmark_files import BadBenchmark, check_folder, files_by_name
from oars.evaluation.rated import Rated
from oars.names import printable

MOS = "mos.csv"
_INPUTS, _REFERENCES = "lr", "hr"


def rated(folder: Path) -> list[Rated]:
    """The groups, by input; every file is there. Raises BadBenchmark naming file and line."""
    check_folder(folder)
    groups = _groups(folder) if (folder / MOS).is_file() else sriqa.rated(folder)
    if not groups:
        raise BadBenchmark(f"{printable(folder / MOS)}: names no pictures")
    for group in groups:
        if missing := [path for path in (group.lr, *group.files) if not path.is_file()]:
            raise BadBenchmark(f"{printable(missing[0])}: no such picture")
    return groups


def _groups(folder: Path) -> list[Rated]:
    inputs, references = (_pictures(folder / name) for name in (_INPUTS, _REFERENCES))
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    for file, score, owner in _rows(folder / MOS, inputs):
        groups[owner][file] = score
    return [
        Rated(
            name,
            lr=inputs[name],
            gt=references.get(name),
            candidates=tuple(scores),
            families=("",) * len(scores),
            files=tuple(folder / file for file in scores),
            scores=tuple(scores.values()),
        )
        for name, scores in sorted(groups.items())
    ]


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
