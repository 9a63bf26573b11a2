"""The scenes of a study: out of an evaluation's directory, a run's samples, or folders of pictures of one name."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from oars.evaluation.benchmark_files import check_folder, files_by_name
from oars.evaluation.benchmark_records import RESULTS
from oars.evaluation.study import BadStudy, Scene
from oars.imaging.image_io import Pixels, read_image
from oars.names import printable
from oars.report.records import read_samples
from services.evaluation.evaluate import PICTURES

Values = Mapping[str, float]
_NO_MODEL = ("lr", "gt")


def of_evaluation(directory: Path, models: Sequence[str]) -> list[Scene]:
    """All pictures of an `oars eval` directory that have the models' outputs. Raises BadStudy."""
    if not (directory / RESULTS).is_file():
        raise BadStudy(f"{printable(directory)}: no {RESULTS}: expected a directory that `oars eval` made")
    measured: dict[tuple[str, str], dict[str, Values]] = defaultdict(dict)
    for row in pq.read_table(directory / PICTURES).to_pylist():
        at, model = (row.pop("benchmark"), row.pop("picture")), row.pop("model")
        measured[at][model] = {name: x for name, x in row.items() if x is not None and name != "seconds"}
    known = dict.fromkeys(model for models in measured.values() for model in models)
    chosen = _chosen(models, list(known), directory)
    return [
        _scene(directory, benchmark, picture, chosen, values)
        for (benchmark, picture), values in measured.items()
        if all(model in values for model in chosen)
    ]


def of_run(directory: Path, models: Sequence[str]) -> list[Scene]:
    """The held-out crops in a run's samples. Raises BadStudy, BadRecord."""
    samples, folder = read_samples(directory), directory / "samples"
    if not samples:
        raise BadStudy(f"{printable(directory)}: no samples: the run has not been evaluated")
    chosen = _chosen(models, [name for name in samples[0].images if name not in _NO_MODEL], directory)
    scenes = []
    for sample in samples:
        pictures: dict[str, Pixels] = {name: read_image(folder / file) for name, file in sample.images.items()}
        values = {
            model: {name: x for name, x in sample.scores.get(model, {}).items() if x is not None} for model in chosen
        }
        outputs = {model: pictures[model] for model in chosen}
        scenes.append(Scene(sample.image_id, pictures.get("lr"), pictures.get("gt"), outputs, values))
    return scenes


def of_folders(folders: Mapping[str, Path], lr: Path | None, gt: Path | None) -> list[Scene]:
    """Pictures that all folders have, by name; those of `lr` and `gt` beside them. Raises BadStudy, BadBenchmark."""
    found = {name: _by_name(folder) for name, folder in folders.items()}
    inputs, truths = (_by_name(folder) if folder else {} for folder in (lr, gt))
    common = sorted(set.intersection(*(set(pictures) for pictures in found.values())))
    if not common:
        raise BadStudy(f"no picture's name is in all of {', '.join(printable(folder) for folder in folders.values())}")
    scenes = []
    for name in common:
        outputs = {model: read_image(pictures[name]) for model, pictures in found.items()}
        if len({output.shape for output in outputs.values()}) > 1:
            raise BadStudy(f"{printable(name)}: the models' pictures differ in size")
        low, high = (read_image(paths[name]) if name in paths else None for paths in (inputs, truths))
        scenes.append(Scene(name, low, high, outputs, {}))
    return scenes


def _by_name(folder: Path) -> dict[str, Path]:
    check_folder(folder)
    return files_by_name(folder)


def _chosen(models: Sequence[str], known: Sequence[str], directory: Path) -> list[str]:
    """Those asked for, or all."""
    for model in models:
        if model not in known:
            raise BadStudy(f"{printable(directory)}: no model {model!r}; it has {', '.join(known)}")
    return list(models or known)


def _scene(directory: Path, benchmark: str, picture: str, models: Sequence[str], values: Mapping[str, Values]) -> Scene:
    folder = directory / benchmark
    gt = folder / "hr" / f"{picture}.png"
    return Scene(
        f"{benchmark}/{picture}",
        read_image(folder / "lr" / f"{picture}.png"),
        read_image(gt) if gt.is_file() else None,
        {model: read_image(folder / "models" / model / f"{picture}.png") for model in models},
        {model: values[model] for model in models},
    )
