"""What `oars runs show` prints fits a terminal of 80 columns, with every word and figure whole."""

from io import StringIO

from rich.console import Console
from rich.table import Table

from oars.evaluation.intervals import Interval
from oars.report.summary import HeldOut, Seconds, Summary
from services.results.tables import held_out_table, phase_table, seconds_line
from services.run.history import Phase

MODELS = ("bicubic", "base", "sft", "aligned")
# The largest figures that the panel's metrics reach.
METRICS = {"reward": -0.451, "colorvideovdp": 9.876, "psnr": 21.7, "brisque": 119.9}


def summary() -> Summary:
    held_out = {
        model: HeldOut(
            metrics={name: Interval(mean=v, low=v, high=v, count=32) for name, v in METRICS.items()}, images=32
        )
        for model in MODELS
    }
    wide = Interval(mean=-19.9, low=-122.25, high=17.5, count=32)
    paired = {"aligned-sft": dict.fromkeys(METRICS, wide)}
    return Summary(
        run_id="r", name="r", status="succeeded", started_at="", held_out=held_out, paired=paired,
        lower_is_better=["colorvideovdp", "brisque"],
    )  # fmt: skip


def printed(table: Table) -> list[list[str]]:
    """Words by line."""
    shown = StringIO()
    Console(width=80, file=shown, color_system=None).print(table)
    lines = shown.getvalue().splitlines()
    assert all(len(line) <= 80 and "…" not in line for line in lines)
    return [line.split() for line in lines]


def test_the_held_out_table_has_a_whole_row_for_each_metric() -> None:
    rows = {words[0]: words[1:] for words in printed(held_out_table(summary())) if words}
    assert rows["reward"] == [*["-0.451"] * 4, "-19.90", "[-122.2,", "+17.50]"]
    assert rows["brisque"] == ["*", *["119.9"] * 4, "-19.90", "[-122.2,", "+17.50]"]
    assert rows["*"] == ["lower", "is", "better"]


def test_the_phase_table_has_a_whole_row_for_each_phase() -> None:
    rows = printed(phase_table([Phase("until its checkpoint", 123456, 1234.5, 98765.4, 1234567.8)]))
    assert ["until", "its", "checkpoint", "123456", "1234.50", "98765.40", "1234567.80"] in rows


def test_the_idle_seconds_of_each_role_are_in_one_line() -> None:
    slow = summary().model_copy(update={"seconds": Seconds(rollout=120, train=80.4, idle={"learner": 33.0})})
    assert seconds_line(slow) == "seconds: rollout 120, score 0, train 80, publish 0; idle: learner 33"
