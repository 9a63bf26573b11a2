"""`oars eval`: models on benchmark folders, measured, with tables and paired intervals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oars.config import BadConfig, RunConfig, load_profile
from oars.deployment import DEFAULT_PROFILE, deploy_path

if TYPE_CHECKING:
    from oars.evaluation.contestants import Contestant, Sampling
    from services.evaluation.evaluate import Benchmark


def evaluate(
    benchmarks: Annotated[
        list[Path] | None,
        typer.Argument(help="Benchmark folders: `lr/` and `hr/` of pairs, or inputs without ground truth."),
    ] = None,
    degrade: Annotated[
        list[Path] | None,
        typer.Option("--degrade", metavar="DIR", help="A folder of photos: ground truths that are degraded here."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="[NAME=]MODEL",
            help="base, aligned (base with the LoRA beside it), run:ID (a run's aligned), sft:ID, generator:DIR, "
            "folder:DIR, bicubic, x4plus, dat-light, ..., python:MODULE:FUNCTION. Default: bicubic and base.",
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Model that the others are compared with. Default: the first.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Directory of the result; a killed evaluation goes on there.")
    ] = Path("data/benchmarks"),
    limit: Annotated[
        int | None, typer.Option(min=1, help="Pictures a benchmark, drawn by the seed. Default: all.")
    ] = None,
    judge: Annotated[str | None, typer.Option(help="Also ask COMPASS: a judge directory, or `miniature`.")] = None,
    strength: Annotated[
        float, typer.Option(min=0, max=1, help="Strength of the degradation; 1 is the published one.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of degradation, noise, the draw of pictures, intervals.")] = 0,
    profile: Annotated[
        Path | None, typer.Option(help="Run profile: generator, sampler, scale, degradation, metrics. Default: tiny.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override one field of the profile.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder that holds the run directories.")] = Path("runs"),
    threads: Annotated[int, typer.Option(min=1, help="torch threads.")] = 2,
) -> None:
    """Measure models on benchmarks: per-picture figures, paired intervals, tables in Markdown, HTML and LaTeX."""
    overrides = [*(set_ or []), *([f"judge.path={judge}"] if judge else [])]
    config = load_profile(profile or deploy_path(DEFAULT_PROFILE), overrides)
    asked = _named(model or ["bicubic", "base"])
    first = baseline or next(iter(asked))
    if first not in asked:
        raise BadConfig(f"--baseline {first!r}: expected one of {', '.join(asked)}")
    import torch

    from oars.evaluation.contestants import Sampling
    from oars.metrics.by_name import check_metrics
    from services.evaluation.evaluate import Plan
    from services.evaluation.evaluate import evaluate as run
    from services.results.transition import LocalScorer
    from services.run.progress import progress

    torch.set_num_threads(threads)
    check_metrics(config.metrics)
    sampling = Sampling(config.generator, config.sampler, config.data.scale, seed)
    plan = Plan(
        benchmarks=_benchmarks(benchmarks or [], degrade or [], config, strength, seed),
        models=[_contestant(name, text, sampling, runs) for name, text in asked.items()],
        asked=asked,
        baseline=first,
        metrics=config.metrics,
        scale=config.data.scale,
        seed=seed,
        limit=limit,
    )
    scorer = (lambda: LocalScorer(config.judge, config.reward)) if judge else None
    with progress() as shown:
        run(plan, out, scorer, shown)
    typer.echo((out / "table.md").read_text())
    typer.echo(f"{out / 'table.html'}")


def _named(models: list[str]) -> dict[str, str]:
    """Name -> text. `run:ID` is called aligned and `sft:ID` sft, unless it is named. Raises BadConfig."""
    named: dict[str, str] = {}
    for given in models:
        name, equals, text = given.partition("=")
        if not equals:
            kind, _, rest = given.partition(":")
            name, text = {"run": "aligned", "sft": "sft", "folder": Path(rest).name}.get(kind, given), given
        if not name or "/" in name or name.startswith("."):
            raise BadConfig(f"--model {given}: say its name in the tables: NAME={text}")
        if name in named:
            raise BadConfig(f"--model {given}: a second {name!r}; name it otherwise: NAME={text}")
        named[name] = text
    return named


def _benchmarks(
    folders: list[Path], photos: list[Path], config: RunConfig, strength: float, seed: int
) -> "list[Benchmark]":
    """Raises BadConfig where there is none, or two have one name."""
    from oars.evaluation.benchmarks import Degradation
    from services.evaluation.evaluate import Benchmark

    degradation = Degradation(config.data.degradation, strength, seed)
    found = [Benchmark(folder.resolve().name, folder, None) for folder in folders]
    found += [Benchmark(folder.resolve().name, folder, degradation) for folder in photos]
    names = [benchmark.name for benchmark in found]
    if not names:
        raise BadConfig("no benchmark: name a folder, or photos to degrade with --degrade DIR")
    if len(set(names)) < len(names):
        raise BadConfig(f"two benchmarks are called {max(names, key=names.count)!r}")
    return found


def _contestant(name: str, text: str, sampling: "Sampling", runs: Path) -> "Contestant":
    """A run's weights are sampled as the run's own config says. Raises BadRun, BadConfig, BadContestant."""
    from dataclasses import replace

    from oars.evaluation.contestants import contestant, generated
    from services.run.run_directory import CONFIG, BadRun, find_run

    kind, _, run = text.partition(":")
    if kind not in ("run", "sft") or not run:
        return contestant(name, text, sampling)
    directory = find_run(runs, run)
    weights = directory / ("aligned" if kind == "run" else "sft")
    if not (weights / "config.json").is_file():
        raise BadRun(f"run {run!r} has no weights in {weights}: it has not come so far")
    own = load_profile(directory / CONFIG)
    if own.data.scale != sampling.scale:
        raise BadConfig(f"--model {text}: enlarges x{own.data.scale}, and the profile x{sampling.scale}")
    return generated(name, replace(sampling, generator=own.generator, sampler=own.sampler), weights)
