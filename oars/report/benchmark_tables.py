"""The tables of an evaluation in Markdown, HTML and LaTeX: metrics down, models across, one pair of tables a benchmark.

The first shows means, the best in bold; the second what each model adds to the baseline with its paired interval, bold
where it is better beyond chance. A benchmark that the paper has, too, gets the paper's figures in their own column.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oars.evaluation.benchmark_records import BenchmarkResult, CommonLattice, Evaluation
from oars.evaluation.intervals import CONCLUSIVE, Interval
from oars.evaluation.published import COLUMN, PUBLISHED
from oars.files import write_text
from oars.report.held_out import verdict
from oars.report.names import metric_name
from oars.report.page import environment


@dataclass(frozen=True)
class Cell:
    """A text, and whether it is in bold."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; `head` names the rows' kind."""

    title: str
    note: str
    head: str
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]


def write_tables(result: Evaluation, folder: Path) -> None:
    """Write table.md, table.html and table.tex into `folder`."""
    tables = list(tables_of(result))
    write_text(folder / "table.md", "\n".join(map(markdown, tables)))
    write_text(folder / "table.tex", "\n".join(map(latex, tables)))
    page = environment().get_template("benchmarks.html")
    write_text(folder / "table.html", page.render(result=result, tables=tables))


def tables_of(result: Evaluation) -> Iterator[Table]:
    """Two tables a benchmark; one where only the baseline was measured."""
    for name, benchmark in result.benchmarks.items():
        yield _means(result, name, benchmark)
        if benchmark.paired:
            yield _differences(result, name, benchmark)


def markdown(table: Table) -> str:
    rows = [[name, *(f"**{cell.text}**" if cell.bold else cell.text for cell in cells)] for name, cells in table.rows]
    lines = [[table.head, *table.columns], ["---", *["---:"] * len(table.columns)], *rows]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"### {table.title}\n\n{table.note}\n\n{body}\n"


def latex(table: Table) -> str:
    """A `tabular` in a `table`; needs no package."""
    rows = [
        [_tex(name), *(f"\\textbf{{{_tex(cell.text)}}}" if cell.bold else _tex(cell.text) for cell in cells)]
        for name, cells in table.rows
    ]
    head = [_tex(table.head), *map(_tex, table.columns)]
    body = "\n".join(f"{' & '.join(line)} \\\\" for line in rows)
    return (
        f"\\begin{{table}}\n\\caption{{{_tex(table.title)}. {_tex(table.note)}}}\n"
        f"\\begin{{tabular}}{{l{'r' * len(table.columns)}}}\n\\hline\n{' & '.join(head)} \\\\\n\\hline\n{body}\n"
        "\\hline\n\\end{tabular}\n\\end{table}\n"
    )


def _means(result: Evaluation, name: str, benchmark: BenchmarkResult) -> Table:
    paper, models = PUBLISHED.get(name.lower(), {}), list(benchmark.models)
    rows = []
    for metric in _metrics(benchmark):
        lower, found = metric in result.lower_is_better, [benchmark.models[model].get(metric) for model in models]
        known = [interval.mean for interval in found if interval is not None]
        alike = len({interval.count for interval in found if interval is not None}) == 1  # over as many pictures
        best = None if metric == _SECONDS or len(known) < 2 or not alike else min(known) if lower else max(known)
        cells = [Cell(_figure(i, benchmark.pictures), i is not None and i.mean == best) for i in found]
        if paper:
            cells.append(Cell(" / ".join(f"{value:g}" for value in paper.get(metric, ())) or "–"))
        rows.append((_label(metric, lower), cells))
    if benchmark.lattices:
        cells = [Cell(_lattice(benchmark.lattices.get(model))) for model in models]
        rows.append(("common lattice (levels) ↓", [*cells, *([Cell("–")] if paper else [])]))
    source = benchmark.source
    made = "" if source.strength is None else f", degraded at strength {source.strength:g}"
    note = f"{benchmark.pictures} pictures{made}; means, the best in bold. Seed {result.seed}."
    return Table(name, note, "metric", [*models, *([COLUMN] if paper else [])], rows)


def _differences(result: Evaluation, name: str, benchmark: BenchmarkResult) -> Table:
    rows = []
    for metric in _metrics(benchmark):
        lower, found = metric in result.lower_is_better, [rows.get(metric) for rows in benchmark.paired.values()]
        better = [metric != _SECONDS and verdict(interval, lower) == "better" for interval in found]
        cells = [Cell(_signed(i, benchmark.pictures), bold) for i, bold in zip(found, better, strict=True)]
        rows.append((_label(metric, lower), cells))
    few = f"fewer than {CONCLUSIVE} show nothing beyond chance"
    note = (
        f"Model minus {result.baseline}, picture by picture, with bootstrap 95 % intervals over "
        f"{benchmark.pictures} pictures; {few if benchmark.pictures < CONCLUSIVE else 'bold: better beyond chance'}."
    )
    return Table(f"{name}: difference from {result.baseline}", note, "metric", list(benchmark.paired), rows)


_SECONDS = "seconds"


def _metrics(benchmark: BenchmarkResult) -> list[str]:
    """In the order of the first model that has it, seconds last."""
    names = dict.fromkeys(name for found in benchmark.models.values() for name in found)
    return [*(name for name in names if name != _SECONDS), *([_SECONDS] if _SECONDS in names else [])]


def _label(metric: str, lower: bool) -> str:
    return "seconds a picture" if metric == _SECONDS else f"{metric_name(metric)} {'↓' if lower else '↑'}"


def _lattice(found: CommonLattice | None) -> str:
    return "–" if found is None else f"{found.amplitude:.2f} at {found.period} px"


def _figure(interval: Interval | None, pictures: int) -> str:
    if interval is None:
        return "–"
    return f"{interval.mean:.{_digits(interval.mean)}f}{_fewer(interval, pictures)}"


def _signed(interval: Interval | None, pictures: int) -> str:
    if interval is None:
        return "–"
    digits = _digits(max(abs(interval.low), abs(interval.high)))
    ends = f"[{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]"
    return f"{interval.mean:+.{digits}f} {ends}{_fewer(interval, pictures)}"


def _fewer(interval: Interval, pictures: int) -> str:
    """Says so where some pictures have no figure, as of a judge that gave no answer."""
    return "" if interval.count == pictures else f" ({interval.count} of {pictures})"


def _digits(value: float) -> int:
    """Decimals for about four digits in all."""
    size = abs(value)
    return 3 if size < 2 else 2 if size < 100 else 1


def _tex(text: str) -> str:
    """Escaped for LaTeX, arrows and dashes in its own words."""
    for plain, own in (("_", "\\_"), ("%", "\\%"), ("&", "\\&"), ("#", "\\#"), ("–", "--"),
                       ("↑", "$\\uparrow$"), ("↓", "$\\downarrow$")):  # fmt: skip
        text = text.replace(plain, own)
    return text
