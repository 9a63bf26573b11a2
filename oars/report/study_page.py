"""`study.html`: the raters' page of a study, self-contained and blinded. It holds pictures and trials under random
names; which model made which is in `study.json` alone."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from oars.evaluation.study import Scene, cropped, spoiled
from oars.evaluation.study_records import Study, Trial
from oars.files import write_text
from oars.imaging.image_io import Pixels
from oars.report.page import environment
from oars.seeds import derive_seed


def write_study_page(study: Study, scenes: Sequence[Scene], side: int, with_gt: bool, path: Path) -> None:
    """`side` bounds the pictures' sides, pixels: the middle is shown."""
    by_name = {scene.name: cropped(scene, side) for scene in scenes}
    pictures: dict[str, str] = {}
    trials = [_trial(study.seed, trial, by_name[trial.scene], with_gt, pictures) for trial in study.trials]
    data = {"id": study_id(study), "trials": trials, "pictures": pictures}
    has_gt = any(trial["gt"] for trial in trials)
    write_text(path, environment().get_template("study.html").render(study=data, has_gt=has_gt))


def study_id(study: Study) -> str:
    """Tells studies apart, in votes and in a browser's memory."""
    return f"{derive_seed('study', *(trial.id for trial in study.trials)):016x}"


def _trial(
    seed: int, trial: Trial, scene: Scene, with_gt: bool, pictures: dict[str, str]
) -> dict[str, str | int | None]:
    """The trial as the page knows it; adds its pictures to `pictures`."""
    a, b = scene.outputs[trial.a], scene.outputs[trial.b]
    if trial.right is not None:
        a, b = (a, spoiled(b)) if trial.right == "a" else (spoiled(a), b)
    shown = {"a": a, "b": b, "lr": scene.lr, "gt": scene.gt if with_gt else None}
    height, width = a.shape[:2]
    names = {name: _added(seed, picture, pictures) for name, picture in shown.items()}
    return {"id": trial.id, "width": width, "height": height, **names}


def _added(seed: int, picture: Pixels | None, pictures: dict[str, str]) -> str | None:
    """The picture's name; equal pictures share one."""
    if picture is None:
        return None
    name = f"{derive_seed('study picture', seed, np.ascontiguousarray(picture).tobytes().hex()):016x}"
    if name not in pictures:
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "WEBP", lossless=True, method=2)
        pictures[name] = f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
    return name
