"""A tally as Markdown: what people preferred, how sure that is, and who follows them."""

from oars.evaluation.intervals import CONCLUSIVE, Interval
from oars.evaluation.study_records import Tally
from oars.report.benchmark_tables import Cell, Table, markdown
from oars.report.names import metric_name


def tally_text(result: Tally) -> str:
    left_out = [rater.rater for rater in result.raters if not rater.kept]
    note = f"{result.votes} votes of {len(result.raters) - len(left_out)} raters"
    note += f"; left out for wrong attention checks: {', '.join(left_out)}." if left_out else "."
    return "\n".join(markdown(table) for table in (_models(result, note), _pairs(result), _raters(result),
                                                   _followers(result)) if table.rows)  # fmt: skip


def _models(result: Tally, note: str) -> Table:
    rows = [(row.model, [_percent(row.share), _number(row.bradley_terry)]) for row in result.models]
    return Table("People's preference", f"{note} 95 % intervals, resampled by scene.", "model",
                 ["preferred", "Bradley-Terry, logits"], rows)  # fmt: skip


def _pairs(result: Tally) -> Table:
    rows = [
        (f"{row.model} over {row.over}", [_percent(row.share), Cell(str(row.share.count)), Cell(str(row.ties))])
        for row in result.pairs
    ]
    return Table(
        "Pairs",
        f"Bold: {CONCLUSIVE} votes or more, and the interval leaves out 50 %.",
        "pair",
        ["preferred", "votes", "ties"],
        rows,
    )


def _raters(result: Tally) -> Table:
    own = result.agreement
    alpha = "–" if own.alpha is None else f"{own.alpha:.2f}"
    raw = "–" if own.raw is None else f"{own.raw:.0%}"
    note = f"Agreement over {own.trials} trials with two raters or more: {raw} of pairs, Krippendorff's alpha {alpha}."
    rows = [
        (
            rater.rater,
            [
                Cell(str(rater.votes)),
                Cell(f"{rater.right} of {rater.checks}"),
                Cell(f"{rater.median_seconds:.1f}"),
                Cell("yes" if rater.kept else "no"),
            ],
        )
        for rater in result.raters
    ]
    return Table("Raters", note, "rater", ["votes", "checks right", "median seconds", "counted"], rows)


def _followers(result: Tally) -> Table:
    rows = [(metric_name(row.name), [_percent(row.share), Cell(str(row.share.count))]) for row in result.followers]
    note = "Share of trials on which it prefers what most raters prefer; ties of people left out, 50 % is chance."
    return Table("Who agrees with people", note, "metric or reading", ["agrees", "trials"], rows)


def _percent(interval: Interval) -> Cell:
    text = f"{interval.mean:.0%} [{interval.low:.0%}, {interval.high:.0%}]"
    return Cell(text, interval.count >= CONCLUSIVE and not interval.low <= 0.5 <= interval.high)


def _number(interval: Interval) -> Cell:
    return Cell(f"{interval.mean:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]")
