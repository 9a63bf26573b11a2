"""Reads a folder in the format of SRIQA-Bench (A-FINE, CVPR 2025), for those who have it.

    images/Original/<id>_Original.png     the LR that all methods enhanced
    images/<method>/<id>_<method>.png     what a method made of it
    MOS/<id>.txt                          a line a picture: <id>_<method>.png,<score>; more is better
    MOS_Reg/, MOS_Gen/                    the same for the regression and the generative methods alone

The human order of a pair is that of the two scores; equal scores are a pair, too. Pictures are 512 px or so; the judge
sees them whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oars.compass.judge import Judge
from oars.evaluation.benchmarks import BadBenchmark
from oars.evaluation.scored import ScoredGroup, rated_group
from oars.imaging.image_io import read_image

_ORIGINAL = "Original"
_FOLDERS = {"regression": "MOS_Reg", "generative": "MOS_Gen"}


@dataclass(frozen=True)
class Entry:
    """One LR's pictures with their human scores, in the order of the methods' names."""

    input_id: str
    methods: tuple[str, ...]
    scores: tuple[float, ...]
    families: tuple[str, ...]


def entries(folder: Path) -> list[Entry]:
    """All of a benchmark's groups. Raises BadBenchmark."""
    files = sorted((folder / "MOS").glob("*.txt"))
    if not files:
        raise BadBenchmark(f"{folder}: neither mos.csv nor SRIQA-Bench's MOS/*.txt")
    return [_entry(folder, file) for file in files]


def scored(folder: Path, judge: Judge, told: Callable[[int, int], None]) -> list[ScoredGroup]:
    """Every group as the judge reads it, with people's scores; `told(done, total)`. Raises BadBenchmark, BadImage."""
    listed, groups = entries(folder), []
    for entry in listed:
        lr = read_image(_picture(folder, entry.input_id, _ORIGINAL))
        pictures = [read_image(_picture(folder, entry.input_id, method)) for method in entry.methods]
        groups.append(_scored(entry, [judge.score(lr, picture[None])[0] for picture in pictures]))
        told(len(groups), len(listed))
    return groups


def _scored(entry: Entry, readings: list) -> ScoredGroup:
    return rated_group(entry.input_id, entry.methods, entry.families, readings, {}, entry.scores)


def _entry(folder: Path, file: Path) -> Entry:
    scores = dict(sorted(_lines(file).items()))
    own = {family: _lines(folder / name / file.name) for family, name in _FOLDERS.items()}
    families = [next((family for family, lines in own.items() if method in lines), "") for method in scores]
    return Entry(file.stem, tuple(scores), tuple(scores.values()), tuple(families))


def _lines(file: Path) -> dict[str, float]:
    """method -> score; empty where the file is not there."""
    if not file.is_file():
        return {}
    scores = {}
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        name, _, score = line.replace(" ", ",").partition(",")
        prefix, _, method = Path(name).stem.rpartition("_")
        try:
            scores[method] = float(score)
        except ValueError as error:
            raise BadBenchmark(f"{file}: line {number}: expected <id>_<method>.png,<score>, got {line!r}") from error
        if prefix != file.stem:
            raise BadBenchmark(f"{file}: line {number}: {name} is no picture of {file.stem}")
    return scores


def _picture(folder: Path, input_id: str, method: str) -> Path:
    return folder / "images" / method / f"{input_id}_{method}.png"
