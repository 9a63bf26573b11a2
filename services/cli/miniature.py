"""`oars miniature build | verify`: the embedded generator and judge, made from photos, and checked."""

from pathlib import Path
from typing import Annotated

import typer

from oars.files import check_folder
from oars.generator.miniature.recipe import DECODER_STEPS, BaseTraining

_BASE = BaseTraining()

app = typer.Typer(help="Build or check the embedded miniature models.", no_args_is_help=True)


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="Directory that will hold `generator` and `judge`.")] = Path("miniature"),
    work: Annotated[Path, typer.Option(help="Keeps unfinished work, to resume from.")] = Path("build/miniature"),
    seed: Annotated[int, typer.Option(help="Seed of weights, data and order.")] = 0,
    threads: Annotated[int, typer.Option(help="torch threads; more than one changes the last bits.")] = 1,
    photos: Annotated[Path | None, typer.Option(help="A folder of photos beside the installed ones.")] = None,
    start: Annotated[Path | None, typer.Option(help="Generator to go on from. Default: random weights.")] = None,
    decoder_steps: Annotated[
        int, typer.Option(help="Steps of the VAE's decoder alone; 0 leaves that of --start.")
    ] = DECODER_STEPS,
    style_head: Annotated[
        bool, typer.Option(help="Set the head that reads styles off the noise in the base of --start, too.")
    ] = False,
    steps: Annotated[int, typer.Option(help="Steps of the generator's base; 0 leaves that of --start.")] = _BASE.steps,
    batch: Annotated[
        int, typer.Option(min=2, help="Samples a step: half as many crops, each in two styles.")
    ] = _BASE.batch,
    shards: Annotated[
        int, typer.Option(help="Pairs that decoder and base are trained on, in shards of 64.")
    ] = _BASE.shards,
    lr: Annotated[float, typer.Option(help="Peak learning rate of the base.")] = _BASE.lr,
    warmup: Annotated[int, typer.Option(help="Warm-up steps up to the peak rate.")] = _BASE.warmup,
    ema: Annotated[float, typer.Option(help="Decay of the base's moving average.")] = _BASE.ema_decay,
    checkpoint_every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = _BASE.checkpoint_every,
) -> None:
    """Train both models from photos; run again after a kill to go on. Evaluation photos are never trained on.

    The defaults are for CPUs. The generator's base is trained on a CUDA device where there is one.
    """
    from oars.miniature import resolve_model, write_manifest

    if start is not None:
        resolve_model(str(start), "generator")
    check_folder(out)
    check_folder(work)
    import torch  # after what can be refused without it

    from oars.generator.miniature.build import build_generator, train_photos
    from services.launch.miniature_judge import build_judge
    from services.run.progress import ProgressLine, progress

    torch.set_num_threads(threads)
    base = BaseTraining(steps, batch, lr, seed, warmup, shards, ema_decay=ema, checkpoint_every=checkpoint_every)
    with progress() as shown:
        build_generator(
            out / "generator",
            work / "generator",
            lambda phase, done, total, loss: shown.update(
                ProgressLine(phase, done, total, f"loss {loss:.4f}" if loss else "")
            ),
            base,
            train_photos(photos),
            start,
            decoder_steps,
            style_head,
        )
    build_judge(out, work / "judge", seed)
    manifest = write_manifest(out)
    typer.echo(f"{manifest}: run `oars miniature verify --models {out}`")


@app.command()
def verify(
    models: Annotated[Path | None, typer.Option(help="Directory to check. Default: the embedded models.")] = None,
) -> None:
    """Check every file's digest, load both models, and measure them on evaluation photos."""
    from oars.miniature import miniature_path, verify_files

    directory = models or miniature_path("generator").parent
    count = verify_files(directory)
    typer.echo(f"{directory}: {count} files as in the manifest")
    from oars.miniature_check import measure  # torch: after what can be refused without it

    for name, value in measure(directory).items():
        typer.echo(f"{name:32} {value:8.3f}")
