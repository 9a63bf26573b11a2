"""Progress lines survive the way through a log."""

from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from services.run.progress import Bars, Lines, ProgressLine

notes = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Z")), max_size=20)


@given(st.sampled_from(["cold_start", "fr_rl", "nr_rl", "evaluating"]), st.integers(0, 999), st.integers(0, 999), notes)
def test_a_printed_line_reads_back(stage: str, done: int, total: int, note: str) -> None:
    line = ProgressLine(stage, done, total, note)
    assert ProgressLine.parse(f"{line}\n") == line


def test_other_output_is_not_progress() -> None:
    assert ProgressLine.parse("[W 2026] something 3/4") is None
    assert ProgressLine.parse("report: /runs/x/report.html") is None


def test_a_log_gets_the_first_and_last_line_of_a_stage(capsys) -> None:  # type: ignore[no-untyped-def]
    lines = Lines(every_s=3600)
    for done in range(1, 6):
        lines.update(ProgressLine("fr_rl", done, 5))
    assert capsys.readouterr().out.splitlines() == ["[fr_rl 1/5]", "[fr_rl 5/5]"]


def test_a_long_note_hides_neither_count_nor_time_left_on_a_terminal() -> None:
    bars, shown = Bars(), StringIO()
    bars.update(ProgressLine("tiles", 3, 12345, "a" * 100))
    Console(width=80, file=shown).print(bars.rich.get_renderable())
    [line] = shown.getvalue().splitlines()
    assert "3/12345" in line and " left a" in line
