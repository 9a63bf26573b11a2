"""`oars simulate`: rehearse the control plane at any scale, or one role alone."""

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(metavar="SCENARIO", help="paper, fleet, fleet-faults, tiny, or a YAML file.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override one field.")]
Keep = Annotated[Path | None, typer.Option(help="Run directory to leave behind, for `oars runs show`.")]


def simulate(scenario: Name = "paper", set_: Set = None, keep: Keep = None) -> None:
    """The real conductor, ledger, admission, retries and brake over stand-ins, in virtual time.

    Prints throughput against the bottleneck's bound, idle time by role, staleness and drops.
    """
    import tempfile

    from services.simulate.scenario import load_scenario

    loaded = load_scenario(scenario, set_ or [])

    from rich.console import Console

    from services.progress import progress
    from services.simulate.rehearsal import rehearse
    from services.simulate.table import rehearsal_table

    with tempfile.TemporaryDirectory() as scratch, progress() as shown:
        directory = keep or Path(scratch)
        directory.mkdir(parents=True, exist_ok=True)
        result = rehearse(loaded, directory, shown)
    Console(width=100).print(rehearsal_table(loaded, result))
    raise typer.Exit(1 if result.violations else 0)
