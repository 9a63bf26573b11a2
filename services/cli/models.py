"""`oars models pull`: the models that a profile names on a hub, with what they are said first."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import Set

app = typer.Typer(help="Models of a profile that are on a hub.", no_args_is_help=True)


@app.command()
def pull(
    profile: Annotated[Path, typer.Argument(help="Run profile, YAML.")],
    set_: Set = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Fetch what `generator.path` and `judge.path` name as hf://ORGANISATION/NAME@COMMIT into $OARS_HOME/models.

    Says size and licence first. Files that are complete are not fetched again. HF_ENDPOINT names a mirror.
    """
    import shutil

    from oars.config import load_profile
    from oars.hub import PREFIX, hub_model
    from oars.hub_pull import offer, pull
    from oars.model_files import MissingModel

    config = load_profile(profile, set_)
    named = {"generator.path": config.generator.path, "judge.path": config.judge.path}
    wanted = {field: hub_model(path) for field, path in named.items() if path.startswith(PREFIX)}
    if not wanted:
        typer.echo("no model of this profile is on a hub: " + ", ".join(f"{k}: {v}" for k, v in named.items()))
        return
    offers = {field: offer(model) for field, model in wanted.items()}
    for field, found in offers.items():
        typer.echo(f"{field}: {found.model}, licence {found.licence}, {len(found.files)} files, {found.gb:.2f} GB")
        if not wanted[field].pinned:
            raise MissingModel(f"{field}: {wanted[field]} names no commit; the newest is {found.model}: write that")
    missing = [found for found in offers.values() if not found.model.record.is_file()]
    if not missing:
        typer.echo("all of them are here")
        return
    place = missing[0].model.directory.parent
    place.mkdir(parents=True, exist_ok=True)
    needed, free = sum(found.gb for found in missing), shutil.disk_usage(place).free / 1e9
    typer.echo(f"into {place}: {needed:.2f} GB, {free:.2f} GB are free")
    if not yes:
        typer.confirm("fetch?", abort=True)
    for found in missing:
        typer.echo(f"{found.model}: {pull(found)}")
