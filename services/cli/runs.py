"""`oars runs list`, `oars runs show`, `oars report`: results of runs."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="List runs and show their results.", no_args_is_help=True)

Runs = Annotated[Path, typer.Option(help="Folder of the run directories; a relative one in $OARS_HOME, if set.")]
RunName = Annotated[str, typer.Argument(help="Run id, or path of a run directory.")]


@app.command("list")
def list_(runs: Runs = Path("runs")) -> None:
    """List runs, one line each, the oldest first."""
    from rich.console import Console

    from services.results.tables import compact, figures, text
    from services.run.run_directory import list_runs

    columns = figures("seconds", "trained", "reward: sft", "aligned")
    table = compact(text("run"), text("status"), *columns)
    for directory in list_runs(runs):
        table.add_row(directory.name, *_row(directory))
    Console(markup=False).print(table)


def _row(directory: Path) -> list[str]:
    """Status, seconds, trained groups and rewards; of a run that cannot be read, why."""
    from oars.report.summary import SUMMARY, BadSummary, read_summary
    from services.results.tables import reward_of

    if not (directory / SUMMARY).exists():
        return ["unfinished"]
    try:
        summary = read_summary(directory)
    except BadSummary as error:
        return [f"unreadable: {error}"]
    rewards = [reward_of(summary, model) for model in ("sft", "aligned")]
    return [summary.status, f"{summary.seconds_total:.0f}", str(summary.groups.trained), *rewards]


@app.command()
def show(
    run: RunName,
    runs: Runs = Path("runs"),
    group: Annotated[
        str | None, typer.Option(help="Show one group's life: by number, beginning of its id, or image.")
    ] = None,
) -> None:
    """Show the counts, the time by phase and the held-out results of a run; also while it runs."""
    from rich.console import Console

    from oars.report.summary import SUMMARY, read_summary
    from services.results.tables import groups_line, held_out_table, phase_table, seconds_line
    from services.run.history import History
    from services.run.run_directory import find_run

    directory, console = find_run(runs, run), Console(markup=False)
    with History.of(directory) as history:
        if group is not None:
            console.print("\n".join(history.group(group)), highlight=False, soft_wrap=True)
            return
        if not (directory / SUMMARY).exists():
            console.print(f"{directory.name}: no summary.json: it is running, or was killed")
            console.print(history.counts())
            console.print(history.workers())
            console.print(phase_table(history.phases()))
            return
        summary, phases, workers = read_summary(directory), history.phases(), history.workers()
    console.print(f"{summary.run_id}: {summary.status} {summary.reason}".rstrip())
    for warning in summary.warnings:
        console.print(f"warning: {warning}", soft_wrap=True)
    console.print(groups_line(summary))
    console.print(seconds_line(summary))
    console.print(workers)
    console.print(phase_table(phases))
    console.print(held_out_table(summary))
    console.print(f"report: {directory / 'report.html'}", soft_wrap=True)


@app.command()
def check(run: RunName, runs: Runs = Path("runs")) -> None:
    """Check the ledger against its rules; exit code 1 if one is broken, for instance if a group was lost."""
    from services.run.history import History
    from services.run.run_directory import find_run, succeeded

    directory = find_run(runs, run)
    with History.of(directory) as history:
        typer.echo(history.counts())
        broken = history.violations(final=succeeded(directory))
    for line in broken:
        typer.echo(line)
    typer.echo("every rule holds" if not broken else f"{len(broken)} breaches")
    raise typer.Exit(1 if broken else 0)


def report(
    run: RunName,
    runs: Runs = Path("runs"),
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write. Default: report.html of the run.")
    ] = None,
) -> None:
    """Write a run's report.html anew."""
    from oars.report.page import write_report
    from services.run.run_directory import find_run

    typer.echo(write_report(find_run(runs, run), out))
