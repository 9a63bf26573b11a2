"""`review.html` of an annotated data set: the groups whose ranks and anchors disagree most and least, with pictures.

A person looks at the top and the bottom 5 % (paper) and may overrule by a file of verdicts. Every dropped group is
listed by name.
"""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oars.compass.annotation.stages import Labelled
from oars.compass.data.dataset import CuratedGroup, Manifest, read_shard_groups, shard_names
from oars.compass.data.tables import LR, Row
from oars.compass.views import lr_view
from oars.files import write_text
from oars.imaging.image_io import encode_png
from oars.report.page import environment

REVIEW = "review.html"
SHARE = 0.05


@dataclass(frozen=True)
class Card:
    """One group on the page: its pictures from best to worst rank, as (title, figures, data URI)."""

    labelled: Labelled
    photo: str
    kind: str
    pictures: list[tuple[str, str, str]]


def write_review(directory: Path, manifest: Manifest, labelled: Sequence[Labelled]) -> Path:
    """Render `directory/review.html`; returns its path."""
    ordered = sorted(labelled, key=lambda one: -one.calibration.conflict)
    shown = max(1, round(SHARE * len(ordered)))
    top, bottom = ordered[:shown], ordered[-shown:][::-1]
    wanted = {one.group["input_id"] for one in (*top, *bottom)}
    groups = {
        group.input_id: group
        for shard in shard_names(manifest)
        for group in read_shard_groups(directory, manifest, shard)
        if group.input_id in wanted
    }
    page = (
        environment()
        .get_template("review.html")
        .render(
            manifest=manifest,
            groups=len(ordered),
            counts=sorted(Counter(one.group["reason"] for one in labelled).items()),
            dropped=[one for one in ordered if not one.group["kept"]],
            sections=[
                ("Ranks and anchors disagree most", [_card(one, groups[one.group["input_id"]]) for one in top]),
                ("Ranks and anchors agree best", [_card(one, groups[one.group["input_id"]]) for one in bottom]),
            ],
        )
    )
    path = directory / REVIEW
    write_text(path, page)
    return path


def _card(labelled: Labelled, group: CuratedGroup) -> Card:
    rows = {row["enhancer"]: row for row in labelled.labels}
    order = np.argsort([-rows[name]["rank"] for name in group.enhancers], kind="stable")
    pictures = [("input", _figures(rows[LR]), _uri(lr_view(group.lr, *group.sr.shape[1:3])))]
    if group.gt is not None:
        pictures.append(("ground truth", "", _uri(group.gt)))
    for i in order:
        name = group.enhancers[i]
        pictures.append((name, _figures(rows[name]), _uri(group.sr[i])))
    return Card(labelled, group.photo, group.kind, pictures)


def _figures(row: Row) -> str:
    parts = [("r", row["rank"]), ("anchor", row["anchor"]), ("Q", row["q"]), ("F", row["fidelity"])]
    return ", ".join(f"{name} {value:.2f}" for name, value in parts if value is not None)


def _uri(image: NDArray[np.uint8]) -> str:
    return f"data:image/png;base64,{base64.b64encode(encode_png(image)).decode()}"
