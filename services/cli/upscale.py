"""`oars upscale PHOTOS`: enlarge photos and folders, aligned by a run or as the generator comes, or with its base."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from oars.config import BadConfig, RunConfig, load_profile
from oars.deployment import DEFAULT_PROFILE, deploy_path
from oars.files import check_writable, remove_partial
from oars.memory import readable_bytes
from oars.names import printable
from services.cli.options import Runs, Set
from services.launch.addresses import checked_address

if TYPE_CHECKING:
    from services.results.enlargement_tasks import Task
    from services.results.enlargements import Load, Report, Settings

Colour = Literal["low_pass", "wavelet", "adain", "none"]
Format = Literal["png", "jpg", "webp", "tif"]
Weights = Literal["aligned", "base"]
_INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended, as shells have it."""

Photos = Annotated[
    list[Path], typer.Argument(help="Photos and folders of photos; any size, any common format.", show_default=False)
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="File for one photo, else folder. Default: beside it, with _x4 in the name."),
]
Scale = Annotated[
    float | None, typer.Option(min=1.0, max=64.0, help="Enlargement, such as 1.5, 2 or 8. Default: the model's.")
]
Run = Annotated[str | None, typer.Option(help="Draw with this run's generator and settings.")]
Profile = Annotated[
    Path | None, typer.Option(help="Run profile for generator and sampler. Default: the run's own, or tiny.")
]
WhichWeights = Annotated[
    Weights,
    typer.Option(
        help="`aligned`: the run's; without a run, the base plus the LoRA that it comes with, if any. `base`: the base "
        "alone."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of the initial noise.")]
Candidates = Annotated[int, typer.Option(min=1, max=64, help="Draw so many and keep the one that COMPASS prefers.")]
WhichColour = Annotated[
    Colour, typer.Option(help="How the photo's colours are kept: its low frequencies, or StableSR's two ways.")
]
WhichFormat = Annotated[
    Format,
    typer.Option("--format", help="Format, unless --out names a file; jpg has white for what is transparent."),
]
Address = Annotated[
    str | None,
    typer.Option(
        envvar="RAY_ADDRESS",
        callback=checked_address,
        help="Spread a folder over rollout workers of this Ray cluster, whose nodes all see it; `auto`: the one on "
        "this machine, or a new one. Default: this process.",
    ),
]


def upscale(
    photos: Photos,
    out: Out = None,
    scale: Scale = None,
    run: Run = None,
    runs: Runs = Path("runs"),
    profile: Profile = None,
    set_: Set = None,
    weights: WhichWeights = "aligned",
    seed: Seed = 0,
    candidates: Candidates = 1,
    colour: WhichColour = "low_pass",
    format_: WhichFormat = "png",
    address: Address = None,
) -> None:
    """Enlarge photos tile by tile, keeping colours, transparency, colour profile and EXIF.

    Folders are searched through. Their outputs lie in a folder of their own, with
    upscale.json, a record of each photo; the originals stay as they are. The same
    command goes on after an interruption. An enlargement beyond the model's own
    scale goes over the picture again.
    """
    from reward_server.checkpoint import find_judge
    from services.results.enlargement_tasks import enlargement_tasks, photos_left_out
    from services.results.enlargements import Settings

    directory, aligned = _aligned_run(run, runs) if run else (None, None)
    config = _config(directory, profile, set_)
    transformer = _transformer(config, aligned, weights)
    if candidates > 1:
        find_judge(config.judge)
    tasks, folder = enlargement_tasks(photos, out, scale or config.data.scale, format_)
    settings = Settings(
        generator=config.generator.path,
        weights_digest=_digest(config, transformer),
        scale=scale or config.data.scale,
        model_scale=config.data.scale,
        sampler=config.sampler,
        colour=colour,
        seed=seed,
        candidates=candidates,
        judge=config.judge.path if candidates > 1 else None,
    )
    load = _loader(config, transformer, settings)
    if folder is None:
        _one(load, settings, tasks[0])
        return
    if left_out := photos_left_out(photos, folder):
        typer.echo(left_out, err=True)
    _all(config, load, settings, tasks, folder, address)


def _one(load: "Load", settings: "Settings", task: "Task") -> None:
    from oars.imaging.encoding import check_format
    from oars.imaging.image_io import MAX_INPUT_PIXELS, read_picture
    from services.results.enlargements import planned

    check_format(task.target)
    plan = planned(task, read_picture(task.source, MAX_INPUT_PIXELS).rgb.shape, settings)
    check_writable(task.target)
    tiles = plan.tiles * settings.candidates
    typer.echo(f"{plan.width}x{plan.height} px in {tiles} tiles; {readable_bytes(plan.memory)} beside the model")
    made = load()
    with _listening(tiles) as listener:
        record = made.write(task, listener(task))
    rewards = ", ".join("no score" if reward is None else f"{reward:.3f}" for reward in record.rewards)
    chosen = f"; rewards {rewards}: kept number {record.chosen + 1}" if rewards else ""
    typer.echo(f"{record.target}: {record.width}x{record.height} px{chosen}")


def _all(
    config: RunConfig, load: "Load", settings: "Settings", tasks: "list[Task]", folder: Path, address: str | None
) -> None:
    from services.results.enlargements import REPORT, count_tiles, left_to_do, read_report

    check_writable(folder / REPORT)
    remove_partial(folder)
    report = read_report(folder, settings)
    todo = left_to_do(report, tasks, folder)
    if todo:
        tiles = count_tiles(todo, settings)
        typer.echo(f"{len(todo)} of {len(tasks)} photos to enlarge, in {tiles} tiles, into {printable(folder)}")
        try:
            if address is None:
                _here(load, report, todo, folder, tiles)
            else:
                from services.launch.enlarging import enlarge_on_cluster  # Ray takes a second to import

                enlarge_on_cluster(config, load, report, todo, folder, address)
        except KeyboardInterrupt:
            typer.echo("stopped; the same command goes on from here", err=True)
            raise typer.Exit(_INTERRUPTED) from None
    _tell(report, folder, tasks)


def _here(load: "Load", report: "Report", todo: "list[Task]", folder: Path, tiles: int) -> None:
    from services.results.enlargements import enlarge_all, keep_records

    with _listening(tiles) as listener:
        keep_records(report, enlarge_all(load(), todo, listener), folder)


def _tell(report: "Report", folder: Path, tasks: "list[Task]") -> None:
    failed = [record for record in report.pictures.values() if record.error]
    for record in failed:
        typer.echo(f"error: {record.error}", err=True)
    done = len(tasks) - len(failed)
    typer.echo(f"{printable(folder)}: {done} of {len(tasks)} photos enlarged; upscale.json has a record of each")
    if failed:
        raise typer.Exit(1)


@contextmanager
def _listening(tiles: int) -> "Iterator[Callable[[Task], Callable[[], None]]]":
    """Shows the tiles done of all, and the photo; on a terminal with the time left."""
    from services.run.progress import ProgressLine, progress

    done = itertools.count(1)
    with progress() as shown:
        yield lambda task: lambda: shown.update(ProgressLine("tiles", next(done), tiles, printable(task.source.name)))


def _loader(config: RunConfig, transformer: Path | None, settings: "Settings") -> "Load":
    """Loads the models, also in a process with another current directory."""
    from services.results.enlargements import Enlargements

    generator = config.generator.model_copy(update={"path": _absolute(config.generator.path)})
    judge = config.judge.model_copy(update={"path": _absolute(config.judge.path)})
    anywhere = config.model_copy(update={"generator": generator, "judge": judge})
    return partial(Enlargements.load, anywhere, transformer and transformer.absolute(), settings)


def _absolute(model: str) -> str:
    """A name that is no directory is one of an embedded or a pulled model."""
    return str(Path(model).absolute()) if Path(model).is_dir() else model


def _digest(config: RunConfig, transformer: Path | None) -> str:
    """Of all weights that make the transformer that draws."""
    from oars.files import fingerprint
    from oars.miniature import resolve_model

    base = resolve_model(config.generator.path, "generator") / "transformer"
    return fingerprint(base) if transformer is None else f"{fingerprint(base)}+{fingerprint(transformer)}"


def _config(run: Path | None, profile: Path | None, overrides: list[str] | None) -> RunConfig:
    """Raises BadConfig."""
    from services.run.run_directory import CONFIG

    own = run / CONFIG if run else deploy_path(DEFAULT_PROFILE)
    config = load_profile(profile or own, overrides)
    if run and (profile or overrides):
        _check_same_generator(profile or "--set", config, load_profile(own))
    return config


def _transformer(config: RunConfig, aligned: Path | None, weights: Weights) -> Path | None:
    """The run's aligned transformer, or the LoRA that the generator comes with; None is the base. Raises
    MissingModel, also for the base."""
    from oars.aligned_lora import aligned_lora
    from oars.miniature import resolve_model

    base = resolve_model(config.generator.path, "generator")
    if weights == "base":
        return None
    return aligned or aligned_lora(base)


def _aligned_run(run: str, runs: Path) -> tuple[Path, Path]:
    """Directory of a run, and its aligned weights. Raises BadRun, MissingModel."""
    from services.run.run_directory import find_run
    from services.run.weights import ALIGNED, run_weights

    directory = find_run(runs, run)
    return directory, run_weights(directory, ALIGNED)


def _check_same_generator(where: Path | str, given: RunConfig, own: RunConfig) -> None:
    """What is given beside a run may change how is sampled, not what the run's weights were made for.

    Raises BadConfig.
    """
    fields = {
        "generator.path": (given.generator.path, own.generator.path),
        "data.scale": (given.data.scale, own.data.scale),
    }
    for field, (ours, theirs) in fields.items():
        if ours != theirs:
            raise BadConfig(f"{where}: {field}: {ours!r}, and the run was aligned with {theirs!r}")
