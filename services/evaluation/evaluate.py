"""`oars eval`: every model on every picture of every benchmark, measured; then tables with paired intervals.

A picture is the unit: it is enlarged and measured once, kept at once, and never redone. Models come one after the
other, so one is in memory at a time. Every difference is taken picture by picture.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from oars.evaluation.benchmark_records import RESULTS, CommonLattice, Evaluation, Source
from oars.evaluation.benchmark_summary import summarised
from oars.evaluation.benchmarks import Degradation, Picture, drawn, pictures_of
from oars.evaluation.contestants import Contestant
from oars.files import write_text, write_whole
from oars.metrics.measured import lower_is_better_of
from oars.report.benchmark_tables import write_tables
from oars.seeds import derive_seed
from services.evaluation.outputs import Values, digest, finish, lattice_of, values_of
from services.evaluation.workplace import Workplace
from services.results.transition import Scorer
from services.run.progress import Progress, ProgressLine

PICTURES = "pictures.parquet"


@dataclass(frozen=True)
class Benchmark:
    """A folder, by its name in the tables."""

    name: str
    folder: Path
    degradation: Degradation | None
    """Makes the inputs, if the pictures are ground truths."""


@dataclass(frozen=True)
class Plan:
    """What is compared on what."""

    benchmarks: Sequence[Benchmark]
    models: Sequence[Contestant]
    asked: Mapping[str, str]
    """Model -> the text that named it."""
    baseline: str
    metrics: tuple[str, ...]
    """Metrics by name, beside the panel."""
    scale: int
    seed: int
    limit: int | None


def evaluate(plan: Plan, out: Path, judge: Callable[[], Scorer] | None, progress: Progress) -> Evaluation:
    """Do what is not done yet, write the tables, and give OUT its name.

    Raises BadBenchmark, BadWorkplace, and what models and judge raise.
    """
    chosen = {
        b.name: drawn(pictures_of(b.folder, plan.scale, b.degradation), plan.limit, plan.seed) for b in plan.benchmarks
    }
    place = Workplace(out)
    place.begin(_settings(plan))
    _keep_inputs(place, chosen, progress)
    scorer = judge() if judge is not None else None
    total = len(plan.models) * sum(map(len, chosen.values()))
    for done, model in enumerate(_finished(plan, place, chosen, scorer), start=1):
        progress.update(ProgressLine("evaluating", done, total, model))
    names = [model.name for model in plan.models]
    values = {b: {m: {p.name: values_of(place, (b, m, p.name)) for p in chosen[b]} for m in names} for b in chosen}
    lattices = {b: {m: lattice_of(place, b, m, [p.name for p in chosen[b]]) for m in names} for b in chosen}
    result = _evaluation(plan, values, lattices, scorer)
    _write_pictures(values, place.root / PICTURES)
    write_text(place.root / RESULTS, result.model_dump_json(indent=1))
    write_tables(result, place.root)
    place.publish()
    return result


def _settings(plan: Plan) -> dict[str, Any]:
    """What the inputs depend on, one entry a benchmark."""
    benchmarks = {
        f"benchmark {b.name}": {
            "folder": str(b.folder.resolve()),
            "strength": b.degradation and b.degradation.strength,
            "degradation": b.degradation and digest(b.degradation.config.model_dump(mode="json")),
        }
        for b in plan.benchmarks
    }
    return {"scale": plan.scale, "seed": plan.seed, **benchmarks}


def _keep_inputs(place: Workplace, chosen: Mapping[str, list[Picture]], progress: Progress) -> None:
    missing = [(b, p) for b, pictures in chosen.items() for p in pictures if not place.has_input(b, p.name)]
    for done, (benchmark, picture) in enumerate(missing, start=1):
        place.keep_input(benchmark, picture.load())
        progress.update(ProgressLine("inputs", done, len(missing), benchmark))


def _finished(
    plan: Plan, place: Workplace, chosen: Mapping[str, list[Picture]], scorer: Scorer | None
) -> Iterator[str]:
    """Yields a model's name after each of its pictures."""
    for model in plan.models:
        load = cache(model.load)  # at the first call: a model whose pictures are all there is never loaded
        for benchmark, pictures in chosen.items():
            for picture in pictures:
                finish(place, model, load, benchmark, place.input(benchmark, picture.name), plan.metrics, scorer)
                yield model.name


def _evaluation(
    plan: Plan,
    values: Mapping[str, Mapping[str, Mapping[str, Values]]],
    lattices: Mapping[str, Mapping[str, CommonLattice | None]],
    scorer: Scorer | None,
) -> Evaluation:
    seed = derive_seed(plan.seed, "bootstrap")
    sources = {
        b.name: Source(folder=b.folder.name, strength=b.degradation and b.degradation.strength) for b in plan.benchmarks
    }
    return Evaluation(
        seed=plan.seed,
        scale=plan.scale,
        limit=plan.limit,
        baseline=plan.baseline,
        judge=scorer and scorer.judge,
        models=dict(plan.asked),
        lower_is_better=lower_is_better_of(plan.metrics),
        benchmarks={
            name: summarised(sources[name], models, lattices[name], plan.baseline, seed)
            for name, models in values.items()
        },
    )


def _write_pictures(values: dict[str, dict[str, dict[str, Values]]], path: Path) -> None:
    """A row a benchmark, model and picture; a metric that it lacks is null."""
    rows = [
        {"benchmark": benchmark, "model": model, "picture": picture, **found}
        for benchmark, models in values.items()
        for model, pictures in models.items()
        for picture, found in pictures.items()
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    write_whole(path, lambda aside: pq.write_table(table, aside))
