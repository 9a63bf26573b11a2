"""The tables of an evaluation: what is bold, what the paper's column says, and that LaTeX and HTML are well-formed."""

import re
from html.parser import HTMLParser
from pathlib import Path

from oars.evaluation.benchmark_records import BenchmarkResult, Evaluation, Source
from oars.evaluation.intervals import Interval
from oars.report.benchmark_tables import latex, markdown, tables_of, write_tables


def interval(mean: float, low: float, high: float) -> Interval:
    return Interval(mean=mean, low=low, high=high, count=9)


RESULT = Evaluation(
    seed=3,
    scale=4,
    limit=9,
    baseline="bicubic",
    judge=None,
    models={"bicubic": "bicubic", "my_own": "folder:out"},
    lower_is_better=("stlpips",),
    benchmarks={
        "realsr": BenchmarkResult(
            source=Source(folder="realsr", strength=None),
            pictures=9,
            models={
                "bicubic": {"psnr": interval(24.7, 24, 25), "stlpips": interval(0.456, 0.4, 0.5)},
                "my_own": {"psnr": interval(24.4, 24, 25), "stlpips": interval(0.2, 0.1, 0.3)},
            },
            paired={"my_own": {"psnr": interval(-0.3, -0.9, 0.2), "stlpips": interval(-0.256, -0.3, -0.2)}},
        )
    },
)


def test_the_best_mean_and_a_gain_beyond_chance_are_bold() -> None:
    means, gains = map(markdown, tables_of(RESULT))
    assert "| PSNR (dB) ↑ | **24.70** | 24.40 | 22.71 / 22.36 |" in means
    assert "| ST-LPIPS ↓ | 0.456 | **0.200** | – |" in means
    assert "other model, other data" in means
    assert "| PSNR (dB) ↑ | -0.300 [-0.900, +0.200] |" in gains
    assert "| ST-LPIPS ↓ | **-0.256 [-0.300, -0.200]** |" in gains


def test_another_benchmark_has_no_column_of_the_papers() -> None:
    other = RESULT.model_copy(update={"benchmarks": {"mine": RESULT.benchmarks["realsr"]}})
    assert "other model" not in markdown(next(tables_of(other)))


def test_a_mean_over_fewer_pictures_says_so_and_is_not_called_best() -> None:
    fewer = interval(0.1, 0.0, 0.2).model_copy(update={"count": 4})
    realsr = RESULT.benchmarks["realsr"]
    models = {"bicubic": realsr.models["bicubic"], "my_own": {"stlpips": fewer}}
    benchmark = realsr.model_copy(update={"models": models, "paired": {"my_own": {"stlpips": fewer}}})
    means, gains = map(markdown, tables_of(RESULT.model_copy(update={"benchmarks": {"mine": benchmark}})))
    assert "| ST-LPIPS ↓ | 0.456 | 0.100 (4 of 9) |" in means
    assert "| ST-LPIPS ↓ | +0.100 [+0.000, +0.200] (4 of 9) |" in gains


def test_latex_escapes_names_and_has_one_cell_a_column() -> None:
    text = latex(next(tables_of(RESULT)))
    assert "my\\_own" in text and "\\textbf{24.70}" in text
    assert not re.search(r"(?<!\\)[_%#]", text)
    rows = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert {row.count("&") for row in rows} == {3}


def test_three_files_are_written(tmp_path: Path) -> None:
    write_tables(RESULT, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.html", "table.md", "table.tex"]
    page = (tmp_path / "table.html").read_text()
    HTMLParser().feed(page)
    assert page.count("<table>") == page.count("</table>") == 2
    assert "24.70" in page
