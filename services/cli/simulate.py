"""`oars simulate`: rehearse the control plane at any scale, or one role alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oars.files import check_folder
from services.cli.options import Set

if TYPE_CHECKING:
    from services.bench.single_role import Pace

Name = Annotated[str, typer.Argument(metavar="SCENARIO", help="paper, fleet, fleet-faults, tiny, or a YAML file.")]
Keep = Annotated[Path | None, typer.Option(help="Run directory to leave behind, for `oars runs show`.")]
Replay = Annotated[
    Path | None, typer.Option(metavar="RUN", help="Instead: the learner alone, on the batches that this run has saved.")
]
Rollouts = Annotated[Path | None, typer.Option(metavar="PROFILE", help="Instead: the profile's rollout workers alone.")]
Count = Annotated[int, typer.Option(min=1, help="Steps of --replay, groups of --rollouts.")]


def simulate(
    scenario: Name = "paper",
    set_: Set = None,
    keep: Keep = None,
    replay: Replay = None,
    rollouts: Rollouts = None,
    count: Count = 8,
) -> None:
    """Rehearse the control plane: the real conductor, ledger, admission and retries over stand-ins, in virtual time.

    Prints throughput against the bottleneck's bound, idle time by role, staleness and drops. With --replay or
    --rollouts, one real role alone on a Ray cluster.
    """
    overrides = set_ or []
    if replay:
        _print(_alone(replay / "config.yaml", overrides, count, replay))
    elif rollouts:
        _print(_alone(rollouts, overrides, count, None))
    else:
        raise typer.Exit(_rehearse(scenario, overrides, keep))


def _rehearse(name: str, overrides: list[str], keep: Path | None) -> int:
    import tempfile

    from services.simulate.scenario import load_scenario

    scenario = load_scenario(name, overrides)
    if keep is not None:
        check_folder(keep)

    from rich.console import Console

    from services.run.progress import progress
    from services.simulate.rehearsal import rehearse
    from services.simulate.table import rehearsal_table

    with tempfile.TemporaryDirectory() as scratch, progress() as shown:
        directory = keep or Path(scratch)
        result = rehearse(scenario, directory, shown)
    Console().print(rehearsal_table(scenario, result))
    return 1 if result.violations else 0


def _alone(profile: Path, overrides: list[str], count: int, run: Path | None) -> "Pace":
    import asyncio

    from oars.config import load_profile
    from oars.miniature import resolve_model

    config = load_profile(profile, overrides)
    resolve_model(config.generator.path, "generator")

    from services.bench.single_role import replay_learner, sample_alone, saved_groups
    from services.launch.cluster import cluster, needed_cpus
    from services.launch.preflight import check_inputs

    if run:
        saved_groups(run)
    else:
        check_inputs(config)
    with cluster(needed_cpus(config), "auto", config.control.start_deadline_s):
        return asyncio.run(replay_learner(config, run, count) if run else sample_alone(config, count))


def _print(pace: "Pace") -> None:
    phases = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in pace.phases.items())
    typer.echo(f"{pace.groups} groups in {pace.seconds:.1f} s: {pace.groups_per_second:.3f} groups a second; {phases}")
