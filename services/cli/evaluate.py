"""`oars eval`: models on benchmark folders, measured, with tables and paired intervals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oars.config import BadConfig, RunConfig, load_profile
from oars.deployment import DEFAULT_PROFILE, deploy_path
from services.cli.options import Runs, Set, Threads

if TYPE_CHECKING:
    from services.evaluation.evaluate import Benchmark, Plan

Benchmarks = Annotated[
    list[Path] | None,
    typer.Argument(help="Benchmark folders: `lr/` and `hr/` of pairs, or inputs without ground truth."),
]
Degrade = Annotated[
    list[Path] | None,
    typer.Option("--degrade", metavar="DIR", help="A folder of photos: ground truths that are degraded here."),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="[NAME=]MODEL",
        help="base, aligned (base with the LoRA beside it), run:ID (a run's aligned), sft:ID, generator:DIR, "
        "folder:DIR, bicubic, x4plus, dat-light, ..., python:MODULE:FUNCTION. Default: bicubic and base.",
    ),
]
Baseline = Annotated[str | None, typer.Option(help="Model that the others are compared with. Default: the first.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Directory of the result; a killed evaluation goes on there.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Pictures a benchmark, drawn by the seed. Default: all.")]
Judge = Annotated[str | None, typer.Option(help="Also ask COMPASS: a judge directory, or `miniature`.")]
Strength = Annotated[float, typer.Option(min=0, max=1, help="Strength of the degradation; 1 is the published one.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of degradation, noise, the draw of pictures, intervals.")]
Profile = Annotated[
    Path | None, typer.Option(help="Run profile: generator, sampler, scale, degradation, metrics. Default: tiny.")
]


def evaluate(
    benchmarks: Benchmarks = None,
    degrade: Degrade = None,
    model: Models = None,
    baseline: Baseline = None,
    out: Out = Path("data/benchmarks"),
    limit: Limit = None,
    judge: Judge = None,
    strength: Strength = 1.0,
    seed: Seed = 0,
    profile: Profile = None,
    set_: Set = None,
    runs: Runs = Path("runs"),
    threads: Threads = 2,
) -> None:
    """Measure models on benchmarks: per-picture figures, paired intervals, tables in Markdown, HTML and LaTeX."""
    overrides = [*(set_ or []), *([f"judge.path={judge}"] if judge else [])]
    config = load_profile(profile or deploy_path(DEFAULT_PROFILE), overrides)
    _check_benchmarks(benchmarks or [], degrade or [])
    asked = _named(model or ["bicubic", "base"])
    first = _baseline(asked, baseline)
    _check_models(asked, runs)
    if judge:
        from reward_server.checkpoint import find_judge

        find_judge(config.judge)  # before pictures are made for it
    import torch  # a second: after what can be refused without it

    torch.set_num_threads(threads)
    folders = _benchmarks(benchmarks or [], degrade or [], config, strength, seed)
    _measure(_plan(config, folders, asked, first, seed, limit, runs), out, config if judge else None)
    typer.echo((out / "table.md").read_text())
    typer.echo(f"{out / 'table.html'}")


def _measure(plan: "Plan", out: Path, judged: RunConfig | None) -> None:
    """`judged`: the config of the judge, if COMPASS is asked."""
    from services.evaluation.evaluate import evaluate as run
    from services.results.transition import LocalScorer
    from services.run.progress import progress

    scorer = None if judged is None else lambda: LocalScorer(judged.judge, judged.reward)
    with progress() as shown:
        run(plan, out, scorer, shown)


def _plan(
    config: RunConfig,
    benchmarks: "list[Benchmark]",
    asked: dict[str, str],
    baseline: str,
    seed: int,
    limit: int | None,
    runs: Path,
) -> "Plan":
    """Raises BadConfig, BadRun, BadContestant."""
    from oars.evaluation.contestants import Sampling
    from oars.metrics.by_name import check_metrics
    from services.evaluation.evaluate import Plan
    from services.evaluation.models import contestant_of

    check_metrics(config.metrics)
    sampling = Sampling(config.generator, config.sampler, config.data.scale, seed)
    return Plan(
        benchmarks=benchmarks,
        models=[contestant_of(name, text, sampling, runs) for name, text in asked.items()],
        asked=asked,
        baseline=baseline,
        metrics=config.metrics,
        scale=config.data.scale,
        seed=seed,
        limit=limit,
    )


def _baseline(asked: dict[str, str], wanted: str | None) -> str:
    """Raises BadConfig."""
    if wanted is not None and wanted not in asked:
        raise BadConfig(f"--baseline {wanted!r}: expected one of {', '.join(asked)}")
    return wanted or next(iter(asked))


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


def _check_models(asked: dict[str, str], runs: Path) -> None:
    """Folders and runs, which need no torch to be looked for. Raises BadBenchmark, BadRun."""
    from oars.evaluation.benchmark_files import check_folder
    from services.run.run_directory import find_run

    for kind, _, rest in (text.partition(":") for text in asked.values()):
        if kind == "folder":
            check_folder(Path(rest))
        if kind in ("run", "sft") and rest:
            find_run(runs, rest)


def _benchmarks(
    folders: list[Path], photos: list[Path], config: RunConfig, strength: float, seed: int
) -> "list[Benchmark]":
    from oars.evaluation.benchmarks import Degradation
    from services.evaluation.evaluate import Benchmark

    degradation = Degradation(config.data.degradation, strength, seed)
    found = [Benchmark(folder.resolve().name, folder, None) for folder in folders]
    return found + [Benchmark(folder.resolve().name, folder, degradation) for folder in photos]


def _check_benchmarks(folders: list[Path], photos: list[Path]) -> None:
    """Raises BadConfig where there is none, or two have one name, and BadBenchmark."""
    from oars.evaluation.benchmark_files import picture_files

    names = [folder.resolve().name for folder in (*folders, *photos)]
    if not names:
        raise BadConfig("no benchmark: name a folder, or photos to degrade with --degrade DIR")
    if len(set(names)) < len(names):
        raise BadConfig(f"two benchmarks are called {max(names, key=names.count)!r}")
    for folder in folders:
        picture_files(folder)
    for folder in photos:
        picture_files(folder, pairs=False)
