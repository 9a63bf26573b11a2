"""One output of an evaluation: enlarged, measured and judged, each once."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from itertools import islice

from oars.evaluation.benchmark_records import CommonLattice
from oars.evaluation.contestants import Contestant, Enlarge
from oars.imaging.crops import Pair
from oars.imaging.image_io import Pixels, read_image
from oars.metrics.lattice import PERIODS, strongest_lattice
from oars.metrics.measured import measured
from services.evaluation.workplace import Answers, Cell, Workplace
from services.results.transition import Scorer, Verdict, verdict

# Readings that say nothing of a model's output.
_NOT_OF_THE_OUTPUT = ("q_lr", "confidence")
Values = dict[str, float]
_LATTICE_OUTPUTS = 32
"""Bounds memory and time; a lattice of a fifth of a level shows in so many."""


def finish(
    place: Workplace,
    model: Contestant,
    load: Callable[[], Enlarge],
    benchmark: str,
    pair: Pair,
    metrics: tuple[str, ...],
    scorer: Scorer | None,
) -> None:
    """Do what is not done of one output."""
    at = (benchmark, model.name, pair.image_id)
    made = digest([model.identity(benchmark, pair.image_id), hashlib.sha256(pair.lr.tobytes()).hexdigest()])
    cell = place.cell(*at)
    if cell is None or cell.made != made:
        enlarge, start = load(), time.monotonic()
        output = enlarge(benchmark, pair.image_id, pair.lr)
        cell = Cell(made=made, seconds=time.monotonic() - start)
        place.keep_output(*at, output, cell)
    answered = _answered(cell, pair, lambda: read_image(place.output(*at)), metrics, scorer)
    if answered != cell:
        place.keep_cell(*at, answered)


def _answered(
    cell: Cell, pair: Pair, output: Callable[[], Pixels], metrics: tuple[str, ...], scorer: Scorer | None
) -> Cell:
    """The cell with all that is asked of it now; readings of an earlier judge go if none is asked."""
    asked = digest([metrics, pair.gt is not None])
    found = cell.metrics
    if found is None or found.asked != asked:
        found = Answers(asked=asked, values=measured(output(), pair.gt, metrics))
    said = cell.readings if scorer is not None else None
    if scorer is not None and (said is None or said.asked != _asked(scorer)):
        said = Answers(asked=_asked(scorer), values=_readings(pair.lr, output(), scorer))
    return cell.model_copy(update={"metrics": found, "readings": said})


def _asked(scorer: Scorer) -> str:
    """The judge, and how large the tiles are that it is shown."""
    return f"{scorer.judge}, {scorer.min_pixels} to {scorer.max_pixels} pixels"


def _readings(lr: Pixels, output: Pixels, scorer: Scorer) -> Values:
    """Reward and readings of the output; empty where the judge gave none."""
    said = verdict(lr, output, scorer)
    if not isinstance(said, Verdict):
        return {}
    told = {name: value for name, value in said.readings.items() if name not in _NOT_OF_THE_OUTPUT}
    return {"reward": said.reward, **told}


def values_of(place: Workplace, at: tuple[str, str, str]) -> Values:
    """Metrics, readings and seconds of a finished output."""
    cell = place.cell(*at)
    assert cell is not None and cell.metrics is not None
    return cell.metrics.values | (cell.readings.values if cell.readings else {}) | {"seconds": cell.seconds}


def lattice_of(place: Workplace, benchmark: str, model: str, pictures: Sequence[str]) -> CommonLattice | None:
    """The lattice that the first outputs have in common; None for fewer than two that are large enough."""
    outputs = (read_image(place.output(benchmark, model, picture)) for picture in pictures)
    large = list(islice((output for output in outputs if min(output.shape[:2]) >= 2 * max(PERIODS)), _LATTICE_OUTPUTS))
    if len(large) < 2:
        return None
    found = strongest_lattice(large)
    return CommonLattice(period=found.period, amplitude=found.amplitude)


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
