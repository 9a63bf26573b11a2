"""The learner's phases on DeepSpeed with a CUDA device and NCCL: what they compute, keep and need.

DeepSpeed belongs to one kind of device for a process's life, so each kind gets a process of its own.
"""

import dataclasses
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from cuda_device import DEVICE, MIB, cosine, peak_bytes, scene
from numpy.typing import NDArray
from tiny import tiny_config

from oars.alignment.messages import TrainingSample
from oars.alignment.training_points import training_times
from oars.config import RunConfig
from oars.generator.codec import Codec
from oars.generator.conditioning import Conditioner
from oars.generator.policy import load_pipeline
from oars.generator.sampler import flow_times
from oars.imaging.crops import Pair
from oars.seeds import seeded_noise

T = TypeVar("T")
SIDE, K = 64, 3
OPTIMALITY = ((0.1, None, 0.9), (0.5, 0.2, 0.6), (None, 1.0, 0.0))


@dataclasses.dataclass(frozen=True)
class Course:
    """What three steps did: their losses and gradient norms, the update of the trained parameters, and how far a run
    that was resumed after the second step ended from it."""

    losses: list[float]
    norms: list[float]
    update: NDArray[np.float32]
    resumed: float
    where: str


class Place:
    """A process that is one DeepSpeed rank on one kind of device."""

    def __init__(self, device: str) -> None:
        self.device = device
        context = get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, initializer=_enter, initargs=(device, _free_port()))

    def call(self, work: Callable[..., T], *arguments: Any) -> T:
        return self._pool.submit(work, *arguments).result()

    def close(self) -> None:
        self._pool.shutdown()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _enter(device: str, port: int) -> None:
    os.environ["DS_ACCELERATOR"] = device
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(1)
    from learner.engine import join

    join(0, 1, f"127.0.0.1:{port}")


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, Place]]:
    made = {"device": Place(DEVICE), "cpu": Place("cpu")}
    yield made
    for place in made.values():
        place.close()


def config(zero_stage: int = 0, dtype: str = "float32", checkpointing: bool = False) -> RunConfig:
    base = tiny_config(Path("miniature"))
    return tiny_config(
        Path("miniature"),
        generator=base.generator.model_dump() | {"dtype": dtype},
        learner={"zero_stage": zero_stage, "gradient_checkpointing": checkpointing},
        objective={"timesteps": 2, "kl_weight": 0.01, "old_policy": {"slope": 0.3}},
        optimiser={"micro_batch": 4, "lr": 1e-3},
        stages={"cold_start": {"optimiser": {"micro_batch": 2, "lr": 1e-4}}},
    )


def pairs(count: int, side: int = SIDE) -> list[Pair]:
    return [Pair(f"pair-{i}", scene(i, side)[::4, ::4].copy(), scene(i, side)) for i in range(count)]


def samples(config: RunConfig) -> list[TrainingSample]:
    """One group a row of OPTIMALITY: candidates are a picture's own latents with a little noise."""
    pipeline = load_pipeline(config.generator)
    codec = Codec(pipeline.vae)
    conditioner = Conditioner(pipeline, config.generator, codec)
    made = []
    for g in range(len(OPTIMALITY)):
        conditioning = conditioner.condition(scene(g, SIDE)[::4, ::4].copy(), SIDE, SIDE)
        clean = codec.encode(scene(g, SIDE)[None])
        x0 = clean + 0.2 * seeded_noise((K, *clean.shape[1:]), "candidates", g)
        times = flow_times(pipeline.scheduler, config.sampler.steps, clean.shape[1])
        t = training_times(times, g, K, config.objective)
        made.append(TrainingSample(f"group-{g}", g, 0, conditioning, x0, t, None, None))
    return made


def _flat(parameters: list[torch.nn.Parameter]) -> NDArray[np.float32]:
    return torch.cat([p.detach().float().flatten().cpu() for p in parameters]).numpy()


def _course(new: Callable[[], Any], step: Callable[[Any], Any], folder: Path) -> Course:
    """Two steps, a checkpoint, a third step; then the third again, from the checkpoint."""
    phase = new()
    before = _flat(_trained(phase))
    reports = [step(phase), step(phase)]
    folder.mkdir(parents=True)
    state = phase.save(folder)
    reports.append(step(phase))
    after = _flat(_trained(phase))
    where = f"{next(iter(_trained(phase))).device.type}, {torch.distributed.get_backend()}"
    phase.close()
    again = new()
    again.load(folder, state)
    assert step(again).step == 3
    resumed = float(np.linalg.norm(_flat(_trained(again)) - after) / np.linalg.norm(after - before))
    again.close()
    return Course([r.loss["total"] for r in reports], [r.grad_norm for r in reports], after - before, resumed, where)


def _trained(phase: Any) -> list[torch.nn.Parameter]:
    return list(phase._engine._trained)


def cold_start(config: RunConfig, folder: Path) -> Course:
    from learner.cold_start import ColdStart

    return _course(lambda: ColdStart(config, 0, 1), lambda phase: phase.step(pairs(4)), folder)


def reinforcement(config: RunConfig, folder: Path) -> Course:
    from learner.reinforcement import Reinforcement

    groups = samples(config)

    def new() -> Reinforcement:
        made = Reinforcement(config, 0, 1)
        made.publish(0)
        return made

    return _course(new, lambda phase: phase.step(groups, OPTIMALITY), folder)


def memory(device: str, checkpointing: bool) -> tuple[float, float]:
    """MiB and loss of one cold-start step on larger pictures."""
    from learner.cold_start import ColdStart

    chosen = config(checkpointing=checkpointing)
    optimiser = chosen.stages.cold_start.optimiser.model_copy(update={"micro_batch": 8})
    stages = chosen.stages.model_copy(
        update={"cold_start": chosen.stages.cold_start.model_copy(update={"optimiser": optimiser})}
    )
    phase, losses = ColdStart(chosen.model_copy(update={"stages": stages}), 0, 1), []
    phase.step(pairs(1))
    peak = peak_bytes(device, lambda: losses.append(phase.step(pairs(8, 128)).loss["total"]))
    phase.close()
    return peak / MIB, losses[0]


PHASES = {"cold_start": cold_start, "reinforcement": reinforcement}


@pytest.fixture(scope="module")
def reference(places: dict[str, Place], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Course]:
    folder = tmp_path_factory.mktemp("reference")
    return {name: places["cpu"].call(work, config(), folder / name) for name, work in PHASES.items()}


@pytest.mark.parametrize("zero_stage", [0, 2])
@pytest.mark.parametrize("phase", list(PHASES))
def test_steps_agree_with_those_on_the_cpu(
    places: dict[str, Place], reference: dict[str, Course], tmp_path: Path, phase: str, zero_stage: int
) -> None:
    ours = places["device"].call(PHASES[phase], config(zero_stage), tmp_path / "checkpoint")
    theirs = reference[phase]
    print(f"{phase}, ZeRO {zero_stage}, {ours.where}: losses {ours.losses}, on the CPU {theirs.losses}")
    print(f"gradient norms {ours.norms}, on the CPU {theirs.norms}")
    print(f"cosine of the updates {cosine(ours.update, theirs.update):.6f}, resumed {ours.resumed:.2e} apart")
    assert ours.where == {"cuda": "cuda, nccl", "cpu": "cpu, gloo"}[DEVICE] and theirs.where == "cpu, gloo"
    assert np.isfinite(ours.losses).all() and np.linalg.norm(ours.update) > 0
    assert ours.losses[0] == pytest.approx(theirs.losses[0], rel=2e-3)
    # AdamW's first step moves every parameter alike, so the sign of a gradient near zero counts as much as any other.
    assert ours.losses == pytest.approx(theirs.losses, rel=2e-2)
    assert ours.norms == pytest.approx(theirs.norms, rel=5e-2)
    assert cosine(ours.update, theirs.update) > 0.98
    assert ours.resumed < 1e-2


@pytest.mark.parametrize("phase", list(PHASES))
def test_bfloat16_stays_near_float32(
    places: dict[str, Place], reference: dict[str, Course], tmp_path: Path, phase: str
) -> None:
    ours, theirs = (
        places["device"].call(PHASES[phase], config(2, "bfloat16"), tmp_path / "checkpoint"),
        reference[phase],
    )
    print(f"{phase}, bfloat16: losses {ours.losses}, in float32 {theirs.losses}")
    print(f"gradient norms {ours.norms}, {theirs.norms}; cosine of updates {cosine(ours.update, theirs.update):.4f}")
    assert ours.losses == pytest.approx(theirs.losses, rel=0.1)
    assert ours.norms == pytest.approx(theirs.norms, rel=0.2)
    assert cosine(ours.update, theirs.update) > 0.9


def test_gradient_checkpointing_saves_memory_and_changes_nothing(places: dict[str, Place]) -> None:
    (whole, loss), (saved, same) = (places["device"].call(memory, DEVICE, on) for on in (False, True))
    print(f"cold start, peak memory of a step: {whole:.0f} MiB, with gradient checkpointing {saved:.0f} MiB")
    assert same == pytest.approx(loss, rel=1e-4)
    assert saved < whole
