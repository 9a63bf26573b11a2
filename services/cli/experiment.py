"""`oars experiment`: one alignment an arm and seed, one after the other, and a page about what differs.

A run is taken for what its settings say: arms that are alike, of one experiment or of two, share their runs.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from oars.config import BadConfig, RunConfig, load_profile
from oars.config.experiment import ExperimentConfig, load_experiment
from oars.deployment import DEFAULT_PROFILE, deploy_path
from oars.errors import UserError
from oars.files import write_text
from services.cli.options import Set
from services.run.beginning import difference
from services.run.run_directory import CONFIG, list_runs, runs_folder, succeeded


class ArmFailed(UserError, RuntimeError):
    """A run of an experiment that did not succeed; the message is one line that names it."""


def experiment(
    name: Annotated[str, typer.Argument(help="A file of deploy/experiments without its ending, or a YAML file.")],
    runs: Annotated[Path, typer.Option(help="Folder of the run directories and of the page.")] = Path("runs"),
    overrides: Set = None,
) -> None:
    """Run every arm of an experiment on every seed; writes RUNS/NAME.md with effects, intervals over seeds and minutes.

    The same command goes on where it was stopped. A run of RUNS that has succeeded with an arm's very settings is taken
    for it, whatever it was made for. --set holds for every arm.
    """
    file = Path(name) if name.endswith((".yaml", ".yml")) else deploy_path("experiments") / f"{name}.yaml"
    config, folder, title = load_experiment(file), runs_folder(runs), file.stem
    config = config.model_copy(update={"common": (*config.common, *(overrides or []))})
    for arm in config.arms:  # before hours of work
        _check(config, arm, folder)
    where = folder / f"{title}.md"
    for seed in config.seeds:  # all arms of a seed first, so that what is there can be compared
        for arm in config.arms:
            _run(title, config, arm, seed, folder)
            _write_page(title, config, folder, where)
    typer.echo(where.read_text())
    typer.echo(str(where))


def _check(config: ExperimentConfig, arm: str, folder: Path) -> None:
    """Raises the user's errors of the arm's profile, of its runs' summaries and, where the cluster is this machine's
    and runs are left to do, of its models and photos."""
    settings = _settings(config, arm, config.seeds[0], folder)
    done = [_finished(config, arm, seed, folder) for seed in config.seeds]
    if not all(done) and "RAY_ADDRESS" not in os.environ:
        from services.launch.preflight import check_run

        check_run(settings)


def _run(title: str, config: ExperimentConfig, arm: str, seed: int, folder: Path) -> None:
    """Raises ArmFailed."""
    run_id = run_name(title, arm, seed)
    if there := _finished(config, arm, seed, folder):
        typer.echo(f"{run_id}: {there.name} is there")
        return
    typer.echo(run_id)
    command = [sys.executable, "-m", "services.cli.main", "align", "--run-id", run_id]
    command += ["--profile", str(config.profile)] if config.profile else []
    for override in _overrides(config, arm, seed, folder):
        command += ["--set", override]
    if code := subprocess.run(command, check=False).returncode:
        raise ArmFailed(f"{run_id}: exit code {code}; the same command goes on from there")


def _finished(config: ExperimentConfig, arm: str, seed: int, folder: Path) -> Path | None:
    """The run that has succeeded with these settings. Raises BadSummary."""
    settings = _settings(config, arm, seed, folder)
    return next((run for run in list_runs(folder) if _is_of(run, settings) and succeeded(run)), None)


def _is_of(run: Path, settings: RunConfig) -> bool:
    made_with = _made_with(run)
    return made_with is not None and difference(settings, made_with) is None


@cache
def _made_with(run: Path) -> RunConfig | None:
    """Settings of a run, which never change; None for one of another version of OARS."""
    try:
        return load_profile(run / CONFIG)
    except BadConfig:
        return None


def _settings(config: ExperimentConfig, arm: str, seed: int, folder: Path) -> RunConfig:
    return load_profile(config.profile or deploy_path(DEFAULT_PROFILE), _overrides(config, arm, seed, folder))


def _overrides(config: ExperimentConfig, arm: str, seed: int, folder: Path) -> list[str]:
    return [*config.common, *config.arms[arm], f"seed={seed}", f"runs={folder}"]


def _write_page(title: str, config: ExperimentConfig, folder: Path, where: Path) -> None:
    # Here, because it loads scipy, which a mistake in the arguments should not wait for.
    from oars.report.experiment import page
    from oars.report.summary import read_summary

    places = {arm: {seed: _finished(config, arm, seed, folder) for seed in config.seeds} for arm in config.arms}
    done = {arm: {seed: read_summary(run) for seed, run in of.items() if run} for arm, of in places.items()}
    write_text(where, page(title, config, done))


def run_name(title: str, arm: str, seed: int) -> str:
    return f"{title}-{arm}-{seed}"
