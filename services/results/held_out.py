"""The held-out evaluation: bicubic, base, SFT and aligned on the same crops, with the same initial noise.

`restore` and `measure` run as streaming Ray tasks with the resources of a rollout worker; COMPASS scores come from
the Serve app. Every difference between two models is taken crop by crop, so its interval is that of a paired test.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import ray
import torch
from numpy.typing import NDArray

from oars.compass.outcome import CandidateOutcome, Scored
from oars.config import RunConfig, SamplerConfig
from oars.config.alarms import LEAST_WATCHED
from oars.device import cap_device_memory
from oars.evaluation.intervals import Interval
from oars.generator.policy import load_pipeline
from oars.generator.pre_restoration import resize
from oars.generator.upscaler import Upscaler
from oars.imaging.crops import Pair, evaluation_pairs
from oars.imaging.photos import NoPhotos
from oars.metrics.measured import panel
from oars.metrics.panel import faults
from oars.report.summary import HeldOut
from oars.seeds import derive_seed
from services.control.protocols import Judge
from services.results.comparison import Evaluated, Lattices, difference, photos_of, summarised
from services.results.measured_reward import MEASURED_FIDELITY, MeasuredReward
from services.results.pictures import chosen, extremes, write_samples
from services.run.progress import ProgressLine
from services.run.run import Run

ModelName = Literal["bicubic", "base", "sft", "aligned"]
MODELS: tuple[ModelName, ...] = ("bicubic", "base", "sft", "aligned")
PAIRED: tuple[tuple[ModelName, ModelName], ...] = (("aligned", "sft"), ("sft", "bicubic"), ("sft", "base"))

# Requests to COMPASS at a time: enough to fill the engine's batch, few enough to meet the deadline.
_REQUESTS = 4
# Crops shown in TensorBoard.
_SHOWN = 8
# Readings that say nothing of a model's output.
_NOT_OF_THE_OUTPUT = ("q_lr", "confidence")

Pixels = NDArray[np.uint8]
T = TypeVar("T")


def restore(config: RunConfig, weights: Path | None, pairs: list[Pair]) -> Iterator[Pixels]:
    """Sample one output a pair with `sampler.inference_steps`, `sampler.batch` at once; the noise depends on the run's
    seed and the image. Pairs are of one size.

    `weights` is a transformer directory; None is the base.
    """
    upscaler = _upscaler(config, weights)
    for at in range(0, len(pairs), config.sampler.batch):
        some = pairs[at : at + config.sampler.batch]
        noises = [_noise(config, pair) for pair in some]
        # Ray sends values into a generator of its own; a list behind `yield from` takes none.
        for picture in upscaler.sample_batch([pair.lr for pair in some], config.data.scale, noises):  # noqa: UP028
            yield picture


def upscale(config: RunConfig, weights: Path | None, pairs: list[Pair]) -> Iterator[Pixels]:
    """The same for pictures of any size, as `oars upscale` does it: in tiles, with the LR's colours."""
    upscaler = _upscaler(config, weights)
    for pair in pairs:
        yield upscaler.upscale(pair.lr, config.data.scale, _noise(config, pair), lambda: None)


def _upscaler(config: RunConfig, weights: Path | None) -> Upscaler:
    torch.set_num_threads(config.rollout.resources.threads)
    cap_device_memory(config.rollout.gpu_memory_utilization)
    pipeline = load_pipeline(config.generator, weights)
    return Upscaler(pipeline, pipeline.transformer, config.generator, _sampler(config, weights))


def _noise(config: RunConfig, pair: Pair) -> int:
    return derive_seed(config.seed, "held_out", pair.image_id)


def _sampler(config: RunConfig, weights: Path | None) -> SamplerConfig:
    """The base is guided as it is meant to be."""
    cfg = config.sampler.inference_cfg if weights else config.sampler.base_cfg
    return config.sampler.model_copy(update={"inference_cfg": cfg})


def measure(
    images: list[Pixels], pairs: list[Pair], names: tuple[str, ...], fr_rl: MeasuredReward | None
) -> Iterator[dict[str, float]]:
    """The metric panel of each image, pyiqa's metrics of these names, and F as FR-RL measures it."""
    torch.set_num_threads(1)
    for image, pair in zip(images, pairs, strict=True):
        gt = _truth(pair)
        yield panel(image, gt, names) | faults(image, gt, pair.lr) | (fr_rl.fidelity(image, gt) if fr_rl else {})


@dataclass(frozen=True)
class Results:
    """`held_out` and `paired` of summary.json."""

    held_out: dict[str, HeldOut]
    paired: dict[str, dict[str, Interval]]


async def evaluate(run: Run, judge: Judge, sft: Path, aligned: Path) -> Results:
    """Evaluate every model; also writes samples/."""
    run.telemetry.phase("evaluating")
    pairs, shown = await asyncio.to_thread(_crops, run)
    weights: dict[ModelName, Path | None] = {"base": None, "sft": sft, "aligned": aligned}
    fr_rl = await asyncio.to_thread(MeasuredReward.of, run.config)
    evaluated: dict[str, Evaluated] = {}
    for name in MODELS:
        evaluated[name] = await _evaluated(run, judge, fr_rl, name, weights.get(name), pairs)
        run.telemetry.event("evaluated", model=name)
        run.progress.update(ProgressLine("evaluating", len(evaluated), len(MODELS), name))
    _show(run, pairs, evaluated)
    large: dict[str, list[Pixels]] = {name: await _large(run, name, weights.get(name), shown) for name in MODELS}
    write_samples(run.directory, [*chosen(shown, large), *extremes(pairs, evaluated)])
    return await asyncio.to_thread(_results, evaluated, pairs, derive_seed(run.config.seed, "bootstrap"))


def _crops(run: Run) -> tuple[list[Pair], list[Pair]]:
    """The held-out crops, and the larger ones that are shown, none if no photo is as large: both follow from config and
    seed alone."""
    data, seed = run.config.data, run.config.seed
    large = data.model_copy(update={"evaluation_crop": data.shown_crop, "evaluation_crops": data.shown_crops})
    try:
        return evaluation_pairs(data, seed), evaluation_pairs(large, seed) if data.shown_crops else []
    except NoPhotos as error:
        run.telemetry.warning("no_larger_crops", error=str(error))
        return evaluation_pairs(data, seed), []


def _results(evaluated: dict[str, Evaluated], pairs: list[Pair], seed: int) -> Results:
    photos = photos_of(pairs)
    held_out = {name: summarised(one, photos, seed) for name, one in evaluated.items()}
    paired = {f"{a}-{b}": difference(evaluated[a], evaluated[b], photos, seed) for a, b in PAIRED}
    if len(pairs) > 1 and min(_truth(pairs[0]).shape[:2]) >= LEAST_WATCHED:
        lattices = Lattices({name: one.images for name, one in evaluated.items()}, [_truth(p) for p in pairs], photos)
        for name in held_out:
            held_out[name].metrics["lattice"] = lattices.power(name)
        for a, b in PAIRED:
            paired[f"{a}-{b}"]["lattice"] = lattices.difference(a, b)
    return Results(held_out, paired)


def _truth(pair: Pair) -> Pixels:
    assert pair.gt is not None
    return pair.gt


async def _large(run: Run, name: ModelName, weights: Path | None, pairs: list[Pair]) -> list[Pixels]:
    if name == "bicubic":
        return [resize(pair.lr, *_truth(pair).shape[:2]) for pair in pairs]
    return await _each(run, f"larger outputs of {name}", upscale, run.config, weights, pairs)


def _show(run: Run, pairs: list[Pair], evaluated: dict[str, Evaluated]) -> None:
    """Bicubic, base, SFT, aligned and GT side by side in TensorBoard."""
    for number, pair in enumerate(pairs[:_SHOWN]):
        row = [evaluated[name].images[number] for name in MODELS]
        run.telemetry.image(f"held_out/{number}", 0, np.concatenate([*row, pair.gt], axis=1))


async def _evaluated(
    run: Run, judge: Judge, fr_rl: MeasuredReward | None, name: ModelName, weights: Path | None, pairs: list[Pair]
) -> Evaluated:
    if name == "bicubic":
        images = [resize(pair.lr, *_truth(pair).shape[:2]) for pair in pairs]
    else:
        images = await _each(run, f"outputs of {name}", restore, run.config, weights, pairs)
    deadline = run.config.control.evaluation_deadline_s
    judged = run.watchdog.wait(
        "evaluation", f"scores of {name}", scores(judge, f"{run.id}.{name}", images, pairs), deadline
    )
    metrics, outcomes = await asyncio.gather(
        _each(run, f"metrics of {name}", measure, images, pairs, run.config.metrics, fr_rl), judged
    )
    return Evaluated(images, [m | _columns(o, m, fr_rl) for m, o in zip(metrics, outcomes, strict=True)])


async def _each(run: Run, what: str, generator: Callable[..., Iterator[T]], *args: object) -> list[T]:
    """All values of a generator that runs as a Ray task; each one that arrives is progress."""
    resources = run.config.rollout.resources
    task = ray.remote(generator).options(
        num_returns="streaming",
        num_cpus=resources.num_cpus,
        num_gpus=0 if generator is measure else resources.num_gpus,
        label_selector=resources.label_selector or None,
        name=f"oars.{generator.__name__}",
    )
    values: list[T] = []

    async def collect() -> list[T]:
        async for reference in task.remote(*args):
            values.append(await reference)
            run.watchdog.beat()
        return values

    return await run.watchdog.wait("evaluation", what, collect(), run.config.control.evaluation_deadline_s)


async def scores(judge: Judge, request: str, images: list[Pixels], pairs: list[Pair]) -> list[CandidateOutcome]:
    """By the judge's own readings; `request` and a number name each request, since a photo's name may not."""
    turn = asyncio.Semaphore(_REQUESTS)

    async def one(row: int, pair: Pair) -> CandidateOutcome:
        async with turn:
            return await judge.score_one(f"{request}.{row}", pair, images[row])

    return await asyncio.gather(*(one(row, pair) for row, pair in enumerate(pairs)))


def _columns(outcome: CandidateOutcome, metrics: dict[str, float], fr_rl: MeasuredReward | None) -> dict[str, float]:
    if not isinstance(outcome, Scored):
        return {}
    told = {name: value for name, value in outcome.readings.items() if name not in _NOT_OF_THE_OUTPUT}
    measured = fr_rl.of_readings(outcome.readings, metrics[MEASURED_FIDELITY]) if fr_rl else {}
    return {"reward": outcome.reward, **told, **measured}
