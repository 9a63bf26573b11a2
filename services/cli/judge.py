"""`oars compass train | eval | calibrate`: train a judge on a data set, measure it, or put a stock one on its scale."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from oars.compass.formula import GAMMA
from oars.config import BadConfig
from oars.deployment import DEFAULT_TRAINING, deploy_path
from oars.files import check_folder, check_writable, sha256, write_text
from services.cli.options import Address, Fresh, Runs, Set, Threads

if TYPE_CHECKING:
    from oars.config.judge_training import JudgeTrainingConfig
    from oars.evaluation.records import AblationRow
    from services.run.progress import Progress

Data = Annotated[
    Path, typer.Argument(help="Annotated data set (`oars compass curate`, `annotate`).", show_default=False)
]
Config = Annotated[Path | None, typer.Option(help="Training config, YAML. Default: on from the embedded judge.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the training; a killed run goes on there.")]
Init = Annotated[str | None, typer.Option(help="Qwen3-VL directory to start from, or `miniature`, or `scratch`.")]


def train(
    data: Data,
    out: Out = Path("data/judge"),
    config: Config = None,
    init: Init = None,
    set_: Set = None,
    address: Address = None,
    fresh: Fresh = False,
) -> None:
    """Fine-tune a Qwen3-VL judge with DeepSpeed on Ray; leaves the best one in OUT/judge."""
    from oars.compass.data.dataset import check_annotated
    from oars.compass.training.files import JudgeFiles, check_start
    from oars.config.judge_training import load_training

    overrides = [*(set_ or []), *([f"init={init}"] if init else [])]
    settings = load_training(config or deploy_path(DEFAULT_TRAINING), overrides)
    check_start(settings)
    check_annotated(data)
    # Ray and torch take seconds to import: after the input is known to be good.
    import asyncio

    from services.launch.cluster import cluster
    from services.reward_modeling.training import keep_config, train_judge
    from services.run.progress import progress

    files = JudgeFiles(out.absolute(), data.absolute())
    keep_config(settings, files)
    with cluster(settings.cpus, None if fresh else address or "auto"), progress() as shown:
        summary = asyncio.run(train_judge(settings, files, shown))
    best = summary.best
    typer.echo(
        f"{files.judge}: step {best.step}, validation pair accuracy {best.accuracy:.3f}" if best else files.judge
    )
    if summary.start is not None:
        typer.echo(f"before fine-tuning: {summary.start:.3f}")
    typer.echo(f"measure it: oars compass eval {files.judge} {data}")


def refresh(
    run: Annotated[str, typer.Argument(help="Run whose FR-RL pictures the judge learns from: id or directory.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the refresh; a killed one goes on. Default: RUN/refresh."),
    ] = None,
    config: Config = None,
    set_: Set = None,
    runs: Runs = Path("runs"),
    address: Address = None,
    fresh: Fresh = False,
) -> None:
    """Fine-tune a run's judge on what its policy made in FR-RL, labelled by the measured metrics; leaves OUT/judge.

    Prints, before and after: the share of exaggerated candidates below the policy's own, pairs in order, and probes.
    """
    from oars.compass.training.files import check_start
    from oars.config import load_profile
    from services.reward_modeling.refresh_settings import gamma_of, refresh_cpus, refresh_labels, refresh_training
    from services.run.refreshed import refresh_files, refresh_folder
    from services.run.run_directory import CONFIG, find_run

    directory = find_run(runs, run)
    profile = load_profile(directory / CONFIG)
    settings = refresh_training(profile.judge, config, set_ or [])
    check_start(settings)
    labels, gamma = refresh_labels(), gamma_of(profile)
    # Ray and torch take seconds to import: after the input is known to be good.
    import asyncio

    from services.launch.cluster import cluster
    from services.reward_modeling.refresh import lines, prepare
    from services.reward_modeling.refresh import refresh as refreshed
    from services.run.progress import progress

    files = refresh_files((out or refresh_folder(directory)).absolute())
    prepare(directory, files.data)
    with cluster(refresh_cpus(settings), None if fresh else address or "auto"), progress() as shown:
        result = asyncio.run(refreshed(directory, files, settings, labels, gamma, shown))
    for line in lines(result):
        typer.echo(line)
    typer.echo(f"use it: --set judge.path={files.judge}, or live: oars serve replace --judge {files.judge}")


def evaluate(
    judge: Annotated[str, typer.Argument(help="Judge directory, or `miniature`.")] = "miniature",
    data: Annotated[Path | None, typer.Argument(help="Annotated data set.", show_default=False)] = None,
    benchmark: Annotated[
        Path | None,
        typer.Option(help="In place of DATA: pictures that people scored, with mos.csv or in SRIQA-Bench's format."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for evaluation.json and evaluation.html.")] = Path(
        "data/evaluation"
    ),
    gamma: Annotated[float, typer.Option(help="Exponent of the reward's gate.")] = GAMMA,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Also the paper's Table 3: trains two judges a seed on DATA.")
    ] = False,
    beside: Annotated[
        list[str] | None, typer.Option(help="Another judge to compare with on DATA, e.g. a stock Qwen3-VL; repeatable.")
    ] = None,
    config: Config = None,
    seeds: Annotated[int, typer.Option(help="Seeds of the ablation.")] = 3,
    threads: Threads = 2,
) -> None:
    """Pair accuracy, correlations, calibration and probes of a judge on photos that it never saw."""
    if (data is None) == (benchmark is None):
        raise BadConfig("name an annotated data set, or a benchmark with --benchmark DIR")
    settings = _ablation_settings(config) if ablation and data is not None else None
    _check_evaluation([judge, *(beside or [])], data, benchmark)
    check_folder(out)
    import torch

    from services.reward_modeling.evaluation import PAGE, accuracy_lines, evaluate_benchmark, evaluate_data_set
    from services.run.progress import progress

    torch.set_num_threads(threads)
    with progress() as shown:
        if benchmark is not None:
            result = evaluate_benchmark(judge, benchmark, out, gamma, shown)
        elif data is not None:
            rows = _ablation(settings, data, out, seeds, shown) if settings else ()
            result = evaluate_data_set(judge, data, out, gamma, "evaluation", shown, rows, beside or ())
    for line in accuracy_lines(result):
        typer.echo(line)
    typer.echo(f"{out / PAGE}")


def calibrate(
    judge: Annotated[str, typer.Argument(help="Directory of a stock Qwen3-VL.", show_default=False)],
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")] = Path("calibration.json"),
    split: Annotated[
        Literal["train", "validation"], typer.Option(help="Groups that are fitted; never those of `eval`.")
    ] = "validation",
) -> None:
    """Map a stock judge's readings to the scale of labels; leaves the file for `judge.calibration`."""
    from oars.compass.data.dataset import check_annotated
    from reward_server.checkpoint import judge_directory

    judge_directory(judge)
    check_annotated(data)
    check_writable(out)
    from services.reward_modeling.calibration import fit_calibration  # torch: after what can be refused without it
    from services.run.progress import progress

    with progress() as shown:
        fitted = fit_calibration(judge, data, split, shown)
    write_text(out, fitted.calibration.model_dump_json(indent=1) + "\n")
    for line in fitted.lines:
        typer.echo(line)
    typer.echo(f"{out}: digest {sha256(out)[:12]}; use it with --set judge.calibration={out}")


def _check_evaluation(judges: list[str], data: Path | None, benchmark: Path | None) -> None:
    """Before a judge is trained or asked. Raises MissingModel, BadDataset, BadBenchmark."""
    from oars.compass.data.dataset import check_annotated
    from oars.evaluation.opinions import rated
    from oars.miniature import resolve_model

    for judge in judges:
        resolve_model(judge, "judge")
    if data is not None:
        check_annotated(data)
    if benchmark is not None:
        rated(benchmark)


def _ablation_settings(config: Path | None) -> "JudgeTrainingConfig":
    """Raises BadConfig, MissingModel."""
    from oars.compass.training.files import check_start
    from oars.config.judge_training import load_training

    settings = load_training(config or deploy_path(DEFAULT_TRAINING))
    check_start(settings)
    return settings


def _ablation(
    settings: "JudgeTrainingConfig", data: Path, out: Path, seeds: int, shown: "Progress"
) -> "tuple[AblationRow, ...]":
    """Train and compare on a cluster of its own, or the one that is there."""
    import asyncio

    from services.launch.cluster import cluster
    from services.reward_modeling.ablation import ablate

    with cluster(settings.cpus, "auto"):
        return asyncio.run(ablate(settings, data.absolute(), out.absolute() / "ablation", range(seeds), shown))
