"""`evaluation.html`: one self-contained page about a judge, with the pairs that it gets most wrong."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from oars.compass.data.dataset import Group
from oars.compass.views import lr_view
from oars.evaluation.intervals import Interval
from oars.evaluation.judge_tables import JUDGE
from oars.evaluation.records import JudgeEvaluation, PairAccuracy, Subset, WrongPair
from oars.files import write_text
from oars.imaging.image_io import encode_png
from oars.report.charts import whisker
from oars.report.names import metric_name
from oars.report.page import environment

SUBSETS: dict[Subset, str] = {
    "all": "All pairs",
    "regression": "Regression",
    "generative": "Generative",
    "unseen": "With an unseen enhancer",
}


@dataclass(frozen=True)
class PairPictures:
    """A wrong pair as the page shows it: name, caption and data URI of each picture."""

    pair: WrongPair
    figures: list[tuple[str, str, str]]

    @classmethod
    def of(cls, pair: WrongPair, group: Group) -> "PairPictures":
        view = lr_view(group.lr, *group.sr.shape[1:3])
        shown = [("LR input", "", view)]
        for role, name in (("better", pair.better), ("worse", pair.worse)):
            shown.append((f"{role}: {name}", _measured(group, name), group.sr[group.enhancers.index(name)]))
        if group.gt is not None:
            shown.append(("Ground truth", "", group.gt))
        return cls(pair, [(name, caption, _uri(image)) for name, caption, image in shown])


@dataclass(frozen=True)
class Cell:
    """One accuracy; None where the contender made the reference."""

    row: PairAccuracy | None
    best: bool
    verdict: str
    """`better` where the judge is beyond chance, `worse` where it is not as good, else `open`."""
    picture: Markup


@dataclass(frozen=True)
class Table:
    """Contenders against subsets, for one reference."""

    reference: str
    text: str
    subsets: list[str]
    rows: list[tuple[str, list[Cell]]]


def write_page(result: JudgeEvaluation, pictures: Sequence[PairPictures], path: Path) -> None:
    """Render the page to `path`."""
    made = environment()
    made.filters["contender"] = _name
    page = made.get_template("judge.html")
    tables = [_table(result, reference) for reference in result.references]
    write_text(path, page.render(result=result, tables=tables, pictures=pictures))


def _table(result: JudgeEvaluation, reference: str) -> Table:
    rows = [row for row in result.accuracies if row.reference == reference]
    subsets = [subset for subset in SUBSETS if any(row.subset == subset for row in rows)]
    names = list(dict.fromkeys(row.contender for row in rows))
    cells = {name: [_cell(result, reference, name, subset) for subset in subsets] for name in names}
    return Table(
        reference,
        result.references[reference],
        [SUBSETS[subset] for subset in subsets],
        [(_name(name), cells[name]) for name in names],
    )


def _cell(result: JudgeEvaluation, reference: str, contender: str, subset: Subset) -> Cell:
    row = result.accuracy(reference, contender, subset)
    if row is None:
        return Cell(None, False, "open", Markup(""))
    rivals = [one for one in result.accuracies if (one.reference, one.subset) == (reference, subset)]
    best = row.accuracy.mean == max(one.accuracy.mean for one in rivals)
    return Cell(row, best, _verdict(row.judge_minus), _picture(row.judge_minus))


def _verdict(difference: Interval | None) -> str:
    if difference is None or difference.low <= 0 <= difference.high:
        return "open"
    return "better" if difference.low > 0 else "worse"


def _picture(difference: Interval | None) -> Markup:
    if difference is None:
        return Markup("")
    return whisker("judge minus this", difference.mean, difference.low, difference.high)


def _name(contender: str) -> str:
    return "Judge, reward" if contender == JUDGE else metric_name(contender).replace("judge", "Judge,")


def _measured(group: Group, name: str) -> str:
    place = group.enhancers.index(name)
    values = {metric: values[place] for metric, values in group.metrics.items()}
    return ", ".join(f"{metric_name(metric)} {value:.3g}" for metric, value in values.items() if np.isfinite(value))


def _uri(image: NDArray[np.uint8]) -> str:
    return f"data:image/png;base64,{base64.b64encode(encode_png(image)).decode()}"
