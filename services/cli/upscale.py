"""`oars upscale PHOTO`: enlarge one photo with a generator directory, or with what a run has aligned."""

from pathlib import Path
from typing import Annotated

import typer

from oars.config import BadConfig, RunConfig, load_profile
from oars.deployment import DEFAULT_PROFILE, deploy_path
from oars.names import printable


def upscale(
    photo: Annotated[Path, typer.Argument(help="The photo to enlarge; any size, any common format.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="PNG to write. Default: PHOTO_x4.png.")] = None,
    run: Annotated[str | None, typer.Option(help="Use this run's aligned weights. Default: the base weights.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder that holds the run directories.")] = Path("runs"),
    profile: Annotated[
        Path | None, typer.Option(help="Run profile for generator and sampler. Default: the run's own, or tiny.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the initial noise.")] = 0,
) -> None:
    """Enlarge a photo four times (the profile's scale), tile by tile, keeping its colours and its transparency."""
    from oars.files import check_writable
    from oars.imaging.enlargement import plan_enlargement
    from oars.imaging.image_io import MAX_INPUT_PIXELS, read_picture, write_png
    from oars.miniature import resolve_model
    from oars.model_files import check_model
    from services.run.run_directory import CONFIG

    weights = _weights(run, runs)
    own = weights.with_name(CONFIG) if weights else deploy_path(DEFAULT_PROFILE)
    config = load_profile(profile or own)
    if weights and profile:
        _check_same_generator(profile, config, load_profile(own))
    picture = read_picture(photo, MAX_INPUT_PIXELS)
    plan = plan_enlargement(printable(photo), picture.rgb.shape, config.data.scale, config.sampler)
    resolve_model(config.generator.path, "generator")
    if weights is not None:
        check_model(weights)
    target = out or photo.with_name(f"{photo.stem}_x{config.data.scale}.png")
    check_writable(target)
    typer.echo(f"{plan.width}x{plan.height} px in {plan.tiles} tiles; {plan.memory / 2**30:.1f} GiB beside the model")
    from rich.progress import Progress

    from oars.generator.policy import load_pipeline, load_transformer
    from oars.generator.upscaler import Upscaler
    from oars.imaging.transparency import visible_colours, with_alpha

    upscaler = Upscaler(
        load_pipeline(config.generator), load_transformer(config.generator, weights), config.generator, config.sampler
    )
    with Progress() as bars:
        task = bars.add_task("tiles", total=plan.tiles)
        result = upscaler.upscale(
            visible_colours(picture), config.data.scale, seed, lambda done, _: bars.update(task, completed=done)
        )
    write_png(target, with_alpha(result, picture.alpha))
    typer.echo(f"{printable(target)}: {plan.width}x{plan.height} px")


def _weights(run: str | None, runs: Path) -> Path | None:
    """The run's aligned transformer; None is the base. Raises BadRun naming the run."""
    if run is None:
        return None
    from services.run.run_directory import BadRun, find_run

    weights = find_run(runs, run) / "aligned"
    if not (weights / "config.json").is_file():
        raise BadRun(f"run {run!r} has no aligned weights in {weights}: it has not finished")
    return weights


def _check_same_generator(profile: Path, given: RunConfig, own: RunConfig) -> None:
    """A profile given beside a run may change how is sampled, not what the run's weights were made for.

    Raises BadConfig.
    """
    fields = {
        "generator.path": (given.generator.path, own.generator.path),
        "data.scale": (given.data.scale, own.data.scale),
    }
    for field, (ours, theirs) in fields.items():
        if ours != theirs:
            raise BadConfig(f"{profile}: {field}: {ours!r}, and the run was aligned with {theirs!r}")
