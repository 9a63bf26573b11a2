"""`oars align`: start or join a Ray cluster, deploy COMPASS if it is absent, submit the job, follow it to its end.

It stops only what it started: a cluster of its own, with everything in it. A cluster that it joined keeps running, and
so does COMPASS there, whose lifecycle is its own.
"""

from pathlib import Path
from typing import Annotated

import typer

from oars.config import RunConfig, load_profile
from oars.deployment import DEFAULT_PROFILE, deploy_path
from oars.files import check_folder
from services.cli.options import Address, Fresh, Runs, Set
from services.run.beginning import existing_run
from services.run.run_directory import CONFIG, check_unclaimed, find_run, runs_folder, succeeded

Profile = Annotated[Path | None, typer.Option(help="Run profile, YAML. Default: the embedded miniature (tiny).")]
RunId = Annotated[
    str | None,
    typer.Option(help="Name of the run directory; one that is there is gone on with. Default: profile name and time."),
]
Resume = Annotated[
    str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run that was stopped or killed.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, print the plan, start nothing; exit code 0 or 2.")
]


def align(
    profile: Profile = None,
    set_: Set = None,
    run_id: RunId = None,
    address: Address = None,
    fresh: Fresh = False,
    resume: Resume = None,
    runs: Runs = Path("runs"),
    dry_run: DryRun = False,
) -> None:
    """Run cold start, FR-RL, NR-RL and the held-out evaluation as a Ray job."""
    if resume and (profile or run_id):
        raise typer.BadParameter("a resumed run has its own profile and id", param_hint="--resume")
    path = profile or deploy_path(DEFAULT_PROFILE)
    run = find_run(runs, resume) if resume else None
    config = load_profile(run / CONFIG if run else path, set_)
    there = run or (existing_run(config, run_id) if run_id else None)
    if there:
        check_unclaimed(there)  # before a cluster is started for it
        if not run and succeeded(there):
            typer.echo(f"run {run_id} has succeeded already: {there}")
            return
    if dry_run:
        _show_plan(config, there, here=fresh or address is None)
        return
    if fresh or address is None:  # the cluster is this machine's: so are the files
        check_folder(runs_folder(config.runs))
        _check_files(config)

    # Ray takes a second to import: after the config is known to be good.
    from services.launch.cluster import cluster, deploy_compass, needed_cpus
    from services.launch.job import AlignJob, follow, submit
    from services.launch.placement import check_node, run_needs, this_node

    def before_start() -> None:
        check_node(run_needs(config), this_node())

    where, deadline = None if fresh else address or "auto", config.control.start_deadline_s
    with cluster(needed_cpus(config), where, deadline, before_start) as joined:
        deploy_compass(config)
        job = AlignJob.resume(run, config, joined) if run else AlignJob.begin(config, run_id, joined)
        code = follow(joined, submit(joined, job))
    raise typer.Exit(code)


def _show_plan(config: RunConfig, there: Path | None, here: bool) -> None:
    """Roles, memory, photos, steps, time. `here`: the cluster would be this machine's, so the run must fit on it.
    Raises the user's errors of a run's files, CannotFit, CannotPlace."""
    from services.launch.checks import this_machine
    from services.launch.placement import Node, check_node, run_needs
    from services.launch.plan import check_fits, plan_lines
    from services.launch.preflight import check_run

    for line in plan_lines(config, check_run(config), there):
        typer.echo(line)
    if here:
        machine = this_machine()
        labels = {key: value for need in run_needs(config).values() for key, value in need.labels.items()}
        check_node(run_needs(config), Node(machine.gpus, labels))
        check_fits(config, machine)


def _check_files(config: RunConfig) -> None:
    """Say which photos are left out. Raises the user's errors of a run's files, and CannotFit."""
    from oars.imaging.survey import named
    from services.launch.checks import this_machine
    from services.launch.placement import run_needs
    from services.launch.plan import check_fits
    from services.launch.preflight import check_run

    if left_out := check_run(config).left_out:
        typer.echo(f"data.photos: {named(left_out)}", err=True)
    if any(need.gpus for need in run_needs(config).values()):
        check_fits(config, this_machine())
