"""`oars upscale PHOTO`: enlarge one photo with a generator directory, or with what a run has aligned."""

from pathlib import Path
from typing import Annotated

import typer

from oars.config import load_profile
from oars.deployment import DEFAULT_PROFILE, deploy_path


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
    """Enlarge a photo four times (the profile's scale), tile by tile, keeping its colours."""
    from oars.imaging.image_io import encode_png, read_image
    from services.run.run_directory import CONFIG

    weights = _weights(run, runs)
    own = weights.with_name(CONFIG) if weights else deploy_path(DEFAULT_PROFILE)
    config = load_profile(profile or own)
    pixels = read_image(photo)
    from rich.progress import Progress

    from oars.generator.policy import load_pipeline, load_transformer
    from oars.generator.upscaler import Upscaler

    upscaler = Upscaler(
        load_pipeline(config.generator), load_transformer(config.generator, weights), config.generator, config.sampler
    )
    with Progress() as bars:
        task = bars.add_task("tiles", total=None)
        result = upscaler.upscale(
            pixels, config.data.scale, seed, lambda done, tiles: bars.update(task, completed=done, total=tiles)
        )
    target = out or photo.with_name(f"{photo.stem}_x{config.data.scale}.png")
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(encode_png(result))
    partial.rename(target)
    typer.echo(f"{target}: {result.shape[1]}x{result.shape[0]} px")


def _weights(run: str | None, runs: Path) -> Path | None:
    """The run's aligned transformer; None is the base. Raises BadRun naming the run."""
    if run is None:
        return None
    from services.run.run_directory import BadRun, find_run

    weights = find_run(runs, run) / "aligned"
    if not (weights / "config.json").is_file():
        raise BadRun(f"run {run!r} has no aligned weights in {weights}: it has not finished")
    return weights
