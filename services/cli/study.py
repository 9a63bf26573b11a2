"""`oars study make | serve | tally`: people compare models' pictures, blinded."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oars.config import BadConfig
from oars.evaluation.benchmark_files import check_folder
from services.cli.options import Runs
from services.run.run_directory import find_run

if TYPE_CHECKING:
    from oars.evaluation.study import Scene

app = typer.Typer(help="Let people compare models: make a blinded page, serve it, tally votes.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="Folder of the study.", show_default=False)]


@app.command()
def make(
    study: Annotated[Path, typer.Argument(help="Folder to make.", show_default=False)],
    evaluation: Annotated[
        Path | None, typer.Option("--eval", metavar="DIR", help="Pictures from a directory of `oars eval`.")
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="ID", help="Pictures from a run's held-out samples.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", "-m", metavar="NAME[=DIR]", help="Models to show, default all; with neither, NAME=DIR folders."
        ),
    ] = None,
    lr: Annotated[Path | None, typer.Option(help="Inputs of folders, by the same names.")] = None,
    gt: Annotated[Path | None, typer.Option(help="Ground truths of folders, by the same names.")] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Questions; default: every pair of models on every picture.")
    ] = None,
    checks: Annotated[int, typer.Option(min=0, help="Attention checks: one side is plainly spoiled.")] = 4,
    side: Annotated[int, typer.Option(min=32, help="Largest side shown, pixels: the middle of larger pictures.")] = 512,
    original: Annotated[bool, typer.Option(help="Let raters hold a key to see the ground truth.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of trials, sides and checks.")] = 0,
    runs: Runs = Path("runs"),
) -> None:
    """Make study.html, the raters' page, and study.json, the key that tells which model made what."""
    sources = _Sources.of(evaluation, run, model or [], runs)  # before the seconds that an import of torch takes
    from services.evaluation.study_files import KEY, PAGE, check_new, make_study

    check_new(study)
    scenes = sources.scenes(lr, gt)
    made = make_study(scenes, study, trials, checks, side, original, seed)
    megabytes = (study / PAGE).stat().st_size / 2**20
    typer.echo(f"{study / PAGE}: {len(made.trials)} trials of {len(made.models)} models, {megabytes:.1f} MiB")
    typer.echo(f"{study / KEY}: the key; keep it from the raters")
    typer.echo(f"collect votes: oars study serve {study}; count them: oars study tally {study}")


@app.command()
def serve(
    study: Folder,
    raters: Annotated[int, typer.Option(min=0, help="New raters: a link is printed for each.")] = 1,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8500,
) -> None:
    """Serve the page to raters with a link, and keep their votes in votes.sqlite; Ctrl-C ends it."""
    from services.evaluation.study_files import read_study
    from services.evaluation.study_server import addresses, make_server
    from services.evaluation.votes import open_votes

    made = read_study(study)
    with open_votes(study) as votes:
        try:
            server = make_server(study, made, votes, host, port)
        except OSError as error:
            raise BadConfig(f"--port {port}: cannot listen at {host}: {error.strerror or error}") from error
        with server:
            for link in addresses(host, server.server_port, votes.new_raters(raters)):
                typer.echo(link)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                typer.echo(f"count the votes: oars study tally {study}")


@app.command()
def tally(
    study: Folder,
    saved: Annotated[
        list[Path] | None, typer.Argument(help="Files of votes that raters' pages saved without a server.")
    ] = None,
) -> None:
    """Preference shares, Bradley-Terry scores, agreement of raters, and which metric or judge agrees with people."""
    from services.evaluation.study_files import tally_study

    tally_study(study, saved or [])
    typer.echo((study / "tally.md").read_text())


@dataclass(frozen=True)
class _Sources:
    """Where the pictures come from: an evaluation, or a run, or folders by model."""

    evaluation: Path | None
    run: Path | None
    models: list[str]
    folders: dict[str, Path]

    @classmethod
    def of(cls, evaluation: Path | None, run: str | None, models: list[str], runs: Path) -> "_Sources":
        """Raises BadConfig, BadRun."""
        if evaluation is not None and run is not None:
            raise BadConfig("--eval and --run: choose one")
        given = (model.partition("=") for model in models)
        folders = {} if evaluation or run else {name: Path(folder) for name, _, folder in given if folder}
        if not (evaluation or run) and len(folders) < max(2, len(models)):
            raise BadConfig("name --eval DIR, --run ID, or two folders or more with --model NAME=DIR")
        for folder in folders.values():
            check_folder(folder)
        return cls(evaluation, find_run(runs, run) if run else None, models, folders)

    def scenes(self, lr: Path | None, gt: Path | None) -> "list[Scene]":
        """Raises BadConfig, BadStudy."""
        from services.evaluation.study_sources import of_evaluation, of_folders, of_run

        if self.evaluation is not None:
            return of_evaluation(self.evaluation, self.models)
        if self.run is not None:
            return of_run(self.run, self.models)
        return of_folders(self.folders, lr, gt)
