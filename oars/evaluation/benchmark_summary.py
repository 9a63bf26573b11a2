"""Means and paired differences over a benchmark's pictures, from what was measured of each."""

from collections.abc import Mapping

from oars.evaluation.benchmark_records import BenchmarkResult, CommonLattice, Source
from oars.evaluation.intervals import Interval, bootstrap_mean, paired_difference

Values = Mapping[str, float]
ByPicture = Mapping[str, Values]


def summarised(
    source: Source,
    models: Mapping[str, ByPicture],
    lattices: Mapping[str, CommonLattice | None],
    baseline: str,
    seed: int,
) -> BenchmarkResult:
    """`models`: model -> picture -> metric -> value; a picture may lack a metric."""
    return BenchmarkResult(
        source=source,
        pictures=len(models[baseline]),
        models={model: means(pictures, seed) for model, pictures in models.items()},
        paired={
            model: differences(pictures, models[baseline], seed)
            for model, pictures in models.items()
            if model != baseline
        },
        lattices={model: lattice for model, lattice in lattices.items() if lattice is not None},
    )


def means(pictures: ByPicture, seed: int) -> dict[str, Interval]:
    """Metric -> mean over the pictures that have it."""
    names = dict.fromkeys(name for values in pictures.values() for name in values)
    columns = {name: [values[name] for values in pictures.values() if name in values] for name in names}
    return {name: bootstrap_mean(column, seed) for name, column in columns.items()}


def differences(after: ByPicture, before: ByPicture, seed: int) -> dict[str, Interval]:
    """Metric -> mean of `after - before` over the pictures on which both have it."""
    rows = [(values, before[picture]) for picture, values in after.items()]
    found = {}
    for name in dict.fromkeys(name for values, _ in rows for name in values):
        both = [(a[name], b[name]) for a, b in rows if name in a and name in b]
        if both:
            found[name] = paired_difference([a for a, _ in both], [b for _, b in both], seed)
    return found
