"""`oars export RUN`: the aligned model, or a judge, for those who use it without OARS."""

from pathlib import Path
from typing import Annotated

import typer

from oars.names import printable
from services.cli.options import Runs


def export(
    run: Annotated[str | None, typer.Argument(help="Run id, or path of a run directory.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Directory to write. Default: exported/NAME.")] = None,
    judge: Annotated[
        str | None, typer.Option(help="Export this judge for vLLM instead: a directory, or `miniature`.")
    ] = None,
    runs: Runs = Path("runs"),
    licence: Annotated[
        str | None, typer.Option(help="Licence for the card. Default: the one that the base model's card states.")
    ] = None,
) -> None:
    """Write a finished run's model for plain diffusers, its LoRA for diffusers and ComfyUI, and a model card.

    Needs as much disk as the base model. Nothing that it writes needs OARS.
    """
    if (run is None) == (judge is None):
        raise typer.BadParameter("expected either RUN or --judge")
    from services.run.run_directory import find_run

    if judge is not None:
        from reward_server.checkpoint import judge_directory

        judge_directory(judge)
        target = _free(out or Path("exported") / f"{Path(judge).name}-judge")
        from services.results.judge_export import export_judge  # torch and diffusers

        digest = export_judge(judge, target, licence)
        typer.echo(f"{printable(target)}: judge with digest {digest[:12]}; `vllm serve {printable(target)}`")
        return
    directory = find_run(runs, str(run))
    _check_run(directory)
    target = _free(out or Path("exported") / directory.name)
    from services.results.export import export_run  # torch and diffusers: after what can be refused without them

    facts = export_run(directory, target, licence)
    typer.echo(f"{printable(target)}: {facts.base_model} aligned by {facts.run_id}, {facts.version} steps of RL")
    typer.echo(f"try it: python {printable(target / 'restore.py')} PHOTO OUT.png")


def _check_run(run: Path) -> None:
    """The base, the aligned weights, and the summary that the card quotes. Raises BadRun, MissingModel, BadSummary."""
    from oars.config import load_profile
    from oars.miniature import resolve_model
    from oars.report.summary import read_or_unfinished
    from services.run.run_directory import CONFIG
    from services.run.weights import ALIGNED, run_weights

    resolve_model(load_profile(run / CONFIG).generator.path, "generator")
    run_weights(run, ALIGNED)
    read_or_unfinished(run)


def _free(target: Path) -> Path:
    """Raises NotWritable if there is something of that name, which an export would replace."""
    from oars.files import NotWritable, check_writable

    if target.exists():
        raise NotWritable(f"{printable(target)}: exists already; choose another --out")
    check_writable(target)
    return target
