"""`report.html`: one self-contained page about a run, for a person. No network, no server; opens from a mail."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from oars.alignment.stage import COLD_START, STAGES
from oars.errors import UserError
from oars.evaluation.refreshed import percent
from oars.files import write_text
from oars.report.bars import outcome_bars, phase_bars
from oars.report.charts import Series, line_chart, number
from oars.report.held_out import evaluated_models, headline, rows
from oars.report.names import MODELS, Model, short_metric_name
from oars.report.records import Choice, Sample, Step, read_samples, read_steps
from oars.report.summary import read_or_unfinished

_CHOICES: dict[Choice, str] = {
    "chosen": "chosen before the run",
    "best": "among the best: ST-LPIPS gained most over SFT",
    "worst": "among the worst: ST-LPIPS lost most to SFT",
}
_STAGE_TITLES = {stage.name: stage.title for stage in STAGES}


class BadReport(UserError, OSError):
    """A report that cannot be written where it should be; the message is one line naming the file."""


def write_report(run_dir: Path, out: Path | None = None) -> Path:
    """Render `out`, by default `run_dir/report.html`, from what the run directory holds (records.py); returns its path.

    Parts that a run has not written are left out. Raises BadSummary, BadRecord, BadReport.
    """
    summary = read_or_unfinished(run_dir)
    page = (
        environment()
        .get_template("report.html")
        .render(
            summary=summary,
            headline=headline(summary),
            models=[MODELS[model] for model in evaluated_models(summary)],
            rows=rows(summary),
            comparisons=[comparison(sample, run_dir / "samples") for sample in read_samples(run_dir)],
            curves=curves(read_steps(run_dir)),
            phases=phase_bars(summary),
            outcomes=outcome_bars(summary),
            stage_names=_STAGE_TITLES,
        )
    )
    path = out or run_dir / "report.html"
    try:
        write_text(path, page)
    except OSError as error:
        raise BadReport(f"{path}: cannot be written: {error.strerror}; choose another place with --out") from error
    return path


def duration(seconds: float) -> str:
    """`42 s`, `12 min 5 s`, `3 h 20 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def environment() -> Environment:
    """Of the templates; those of HTML escape what they are given."""
    made = Environment(
        loader=PackageLoader("oars.report"),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    made.filters |= {"number": number, "duration": duration, "percent": percent}
    return made


@dataclass(frozen=True)
class Curve:
    title: str
    note: str
    svg: Markup


def curves(steps: Sequence[Step]) -> list[Curve]:
    """The curves that the run has values for."""
    cold = [step for step in steps if step.stage == COLD_START.name]
    rl = [step for step in steps if step.stage != COLD_START.name]
    starts = [i for i, step in enumerate(rl) if i == 0 or step.stage != rl[i - 1].stage]
    stages = [(i, _STAGE_TITLES.get(rl[i].stage, rl[i].stage)) for i in starts]

    def curve(title: str, note: str, field: str, spread: str | None = None) -> Curve:
        band = [getattr(step, spread) for step in rl] if spread else None
        series = Series([getattr(step, field) for step in rl], band)
        return Curve(title, note, line_chart(f"{title} by step", series, stages))

    cold_loss = line_chart("Flow-matching loss by step", Series([step.loss for step in cold]))
    drawn = [
        curve("Reward", "batch mean; band: group standard deviation", "reward_mean", "reward_std"),
        curve("Fidelity F", "batch mean", "fidelity"),
        curve("Quality Q_SR", "batch mean", "q_sr"),
        curve("Policy loss", "RL stages", "loss"),
        curve("Gradient norm", "RL stages, before clipping", "grad_norm"),
        curve("Staleness", "versions, batch mean", "staleness_mean"),
        Curve("Flow-matching loss", "cold start", cold_loss),
    ]
    return [one for one in drawn if one.svg]


@dataclass(frozen=True)
class Figure:
    """One image of a comparison, as a data URI, with its scores."""

    model: str
    uri: str
    scores: list[tuple[str, str]]


@dataclass(frozen=True)
class Comparison:
    image_id: str
    choice: str
    figures: list[Figure]


def comparison(sample: Sample, folder: Path) -> Comparison:
    """The images of one held-out crop, in pipeline order."""
    figures = [_figure(sample, key, folder) for key in MODELS if key in sample.images]
    return Comparison(sample.image_id, _CHOICES[sample.choice], figures)


def _figure(sample: Sample, model: Model, folder: Path) -> Figure:
    pixels = base64.b64encode((folder / sample.images[model]).read_bytes()).decode()
    scores = [(short_metric_name(key), _score(value)) for key, value in sample.scores.get(model, {}).items()]
    return Figure(MODELS[model], f"data:image/png;base64,{pixels}", scores)


def _score(value: float | None) -> str:
    return "no score" if value is None else number(value)
