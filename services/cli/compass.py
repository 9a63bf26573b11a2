"""`oars compass curate | annotate | train | eval | calibrate`: a judge, from photos to a measured model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oars.deployment import DEFAULT_ANNOTATION, deploy_path
from oars.files import check_folder
from services.cli import judge
from services.cli.options import Address, Fresh, Set

if TYPE_CHECKING:
    from oars.config.annotation import AnnotationConfig, VlmConfig
    from oars.config.curation import CurationConfig, PoolConfig

app = typer.Typer(help="Make a judge: curate and annotate its data, train it, measure it.", no_args_is_help=True)
app.command()(judge.train)
app.command("eval")(judge.evaluate)
app.command()(judge.refresh)
app.command()(judge.calibrate)

LAPTOP = "compass/laptop.yaml"
# Logical CPUs for what reads and writes beside a pool of actors.
_STAGES = 2

Config = Annotated[Path | None, typer.Option(help="Curation config, YAML. Default: laptop scale.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Directory of the data set; a killed run goes on there.")]
Check = Annotated[bool, typer.Option("--check", help="Check config, photos and enhancers, then stop.")]
Export = Annotated[
    Path | None,
    typer.Option(help="Folder to write the inputs to as PNG, for methods that run elsewhere; then stop."),
]


@app.command()
def curate(
    config: Config = None,
    out: Out = Path("data/compass"),
    set_: Set = None,
    export: Export = None,
    check: Check = False,
    address: Address = None,
    fresh: Fresh = False,
) -> None:
    """Make inputs and run every enhancer on them, on Ray Data."""
    from oars.config.curation import load_curation

    settings = load_curation(config or deploy_path(LAPTOP), set_)
    _check(settings)
    if check:
        typer.echo(f"{settings.name}: {len(settings.enhancers)} enhancers, config and sources are good")
        return
    check_folder(out if export is None else export)
    # Ray takes seconds to import: after the input is known to be good.
    from services.launch.cluster import cluster
    from services.reward_modeling.curation import curate as run
    from services.reward_modeling.curation import export_inputs
    from services.run.progress import progress

    with cluster(_cpus(settings), None if fresh else address or "auto"), progress() as shown:
        if export is not None:
            count = export_inputs(settings, out, export, shown)
        else:
            manifest = run(settings, out, shown)
    if export is not None:
        typer.echo(f"{export}: {count} inputs; put a method's outputs into a folder under the same names")
    else:
        typer.echo(f"{out}: {manifest.counts['inputs']} inputs x {len(manifest.enhancers)}, digest {manifest.digest}")


@app.command()
def annotate(
    directory: Annotated[Path, typer.Argument(help="Data set that `curate` made.")] = Path("data/compass"),
    config: Annotated[Path | None, typer.Option(help="Annotation config, YAML. Default: by metrics.")] = None,
    set_: Set = None,
    stage: Annotated[
        list[str] | None, typer.Option(help="measurements, anchors, comparisons or labels; default: what is stale.")
    ] = None,
    address: Address = None,
    fresh: Fresh = False,
) -> None:
    """Label the transitions in three stages: anchors, pairwise comparisons, calibration."""
    from oars.config.annotation import STAGES, load_annotation
    from oars.config.base import BadConfig

    settings = load_annotation(config or deploy_path(DEFAULT_ANNOTATION), set_)
    if unknown := set(stage or ()) - set(STAGES):
        raise BadConfig(f"--stage {min(unknown)}: expected one of {', '.join(STAGES)}")
    from oars.compass.data.dataset import check_curated
    from reward_server.checkpoint import judge_directory

    for model in _models(settings):
        judge_directory(model.engine.path)
    check_curated(directory)
    from services.launch.cluster import cluster
    from services.reward_modeling.annotation import Annotation
    from services.run.progress import progress

    with progress() as shown:
        annotation = Annotation(settings, directory, shown, [name for name in STAGES if name in (stage or STAGES)])
        if annotation.needs_ray():
            with cluster(_annotation_cpus(settings), None if fresh else address or "auto"):
                annotation.run()
        else:
            annotation.run()
    typer.echo(f"{directory}: labels.json and review.html")


def _check(settings: "CurationConfig") -> None:
    from oars.compass.data.curation import photos_left_out, plan_inputs
    from oars.compass.data.enhancers import check_enhancer
    from oars.imaging.survey import named

    for enhancer in settings.enhancers:
        check_enhancer(enhancer, settings.scale)
    plan_inputs(settings)
    if left_out := photos_left_out(settings):
        typer.echo(f"photos: {named(left_out)}", err=True)


def _cpus(settings: "CurationConfig") -> int:
    """Logical CPUs of a cluster of our own: the largest pool, and readers and writers beside it."""
    return max(_pool_cpus(pool) for pool in settings.pools.values())


def _annotation_cpus(settings: "AnnotationConfig") -> int:
    """The stages run one after the other: whichever takes most."""
    engines = [round(model.engines * model.engine.resources.num_cpus) + _STAGES for model in _models(settings)]
    return max(_pool_cpus(settings.pool), *engines, 0)


def _models(settings: "AnnotationConfig") -> "list[VlmConfig]":
    """The multimodal models that are asked."""
    stages = (settings.anchors, settings.comparisons)
    return [stage.vlm for stage in stages if stage.source == "vlm" and stage.vlm is not None]


def _pool_cpus(pool: "PoolConfig") -> int:
    return round(pool.actors * pool.resources.num_cpus) + _STAGES
