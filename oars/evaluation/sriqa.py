"""Finds the pictures of a folder in the format of SRIQA-Bench (A-FINE, CVPR 2025), for those who have it.

    images/Original/<id>_Original.png     the LR that all methods enhanced
    images/<method>/<id>_<method>.png     what a method made of it
    MOS/<id>.txt                          a line a picture: <id>_<method>.png,<score>; more is better
    MOS_Reg/, MOS_Gen/                    the same for the regression and the generative methods alone

The human order of a pair is that of the two scores; equal scores are a pair, too. Pictures are 512 px or so.
"""

from pathlib import Path

from oars.evaluation.benchmark_files import BadBenchmark
from oars.evaluation.rated import Rated
from oars.names import printable

_ORIGINAL = "Original"
_FOLDERS = {"regression": "MOS_Reg", "generative": "MOS_Gen"}


def rated(folder: Path) -> list[Rated]:
    """All of a benchmark's groups, methods by name. Raises BadBenchmark."""
    files = sorted((folder / "MOS").glob("*.txt"))
    if not files:
        raise BadBenchmark(f"{printable(folder)}: neither mos.csv nor SRIQA-Bench's MOS/*.txt")
    return [_group(folder, file) for file in files]


def _group(folder: Path, file: Path) -> Rated:
    scores = dict(sorted(_lines(file).items()))
    if not scores:
        raise BadBenchmark(f"{printable(file)}: names no pictures")
    own = {family: _lines(folder / name / file.name) for family, name in _FOLDERS.items()}
    return Rated(
        file.stem,
        lr=_picture(folder, file.stem, _ORIGINAL),
        gt=None,
        candidates=tuple(scores),
        families=tuple(next((family for family, lines in own.items() if method in lines), "") for method in scores),
        files=tuple(_picture(folder, file.stem, method) for method in scores),
        scores=tuple(scores.values()),
    )


def _lines(file: Path) -> dict[str, float]:
    """method -> score; empty where the file is not there."""
    if not file.is_file():
        return {}
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadBenchmark(f"{printable(file)}: cannot be read: {error}") from error
    scores = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, _, score = line.replace(" ", ",").partition(",")
        prefix, _, method = Path(name).stem.rpartition("_")
        where = f"{printable(file)}: line {number}"
        try:
            scores[method] = float(score)
        except ValueError as error:
            raise BadBenchmark(f"{where}: expected <id>_<method>.png,<score>, got {line!r}") from error
        if prefix != file.stem:
            raise BadBenchmark(f"{where}: {name} is no picture of {file.stem}")
    return scores


def _picture(folder: Path, input_id: str, method: str) -> Path:
    return folder / "images" / method / f"{input_id}_{method}.png"
