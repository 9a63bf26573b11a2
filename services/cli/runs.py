"""`oars runs list`, `oars runs show`, `oars report`: what runs have left behind."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="List runs and show what came of one.", no_args_is_help=True)

Runs = Annotated[Path, typer.Option(help="Folder that holds the run directories.")]
RunName = Annotated[str, typer.Argument(help="Run id, or path of a run directory.")]


@app.command("list")
def list_(runs: Runs = Path("runs")) -> None:
    """One line a run, the oldest first."""
    from rich.console import Console
    from rich.table import Column, Table

    from services.run_directory import list_runs
    from services.summary import read_summary
    from services.tables import reward_of

    table = Table(
        Column("run", overflow="fold", min_width=16), "status", "seconds", "trained groups", "reward: sft", "aligned"
    )
    for directory in list_runs(runs):
        if not (directory / "summary.json").exists():
            table.add_row(directory.name, "unfinished")
            continue
        summary = read_summary(directory)
        rewards = [reward_of(summary, model) for model in ("sft", "aligned")]
        table.add_row(
            directory.name, summary.status, f"{summary.seconds_total:.0f}", str(summary.groups.trained), *rewards
        )
    Console().print(table)


@app.command()
def show(run: RunName, runs: Runs = Path("runs")) -> None:
    """The run's counts, and its held-out results by model."""
    from rich.console import Console

    from services.run_directory import BadRun, find_run
    from services.summary import read_summary
    from services.tables import groups_line, held_out_table

    directory = find_run(runs, run)
    if not (directory / "summary.json").exists():
        raise BadRun(f"run {run!r} has no summary.json: it is running, or was killed")
    summary = read_summary(directory)
    console = Console()
    console.print(f"{summary.run_id}: {summary.status} {summary.reason}".rstrip())
    console.print(groups_line(summary))
    console.print(held_out_table(summary))
    console.print(f"report: {directory / 'report.html'}")


def report(run: RunName, runs: Runs = Path("runs")) -> None:
    """Write a run's report.html anew."""
    from oars.report.page import write_report
    from services.run_directory import find_run

    typer.echo(write_report(find_run(runs, run)))
