"""The judge on a CUDA device reads, and learns, what it does on the CPU."""

from dataclasses import astuple

import numpy as np
import pytest
import torch
from cuda_device import DEVICE, MIB, cosine, peak_bytes, scene
from numpy.typing import NDArray
from transformers import AutoProcessor

from oars.compass.judge import Judge, Readings
from oars.compass.training.examples import Batch
from oars.compass.training.objective import Counts, JudgeObjective
from oars.compass.training.parameters import load_trainable
from oars.config.judge_training import JudgeTrainingConfig
from oars.miniature import miniature_path
from oars.precision import computing_in

SIDE = 64


def candidates(seed: int, count: int, side: int = SIDE) -> NDArray[np.uint8]:
    """One scene with ever more noise."""
    rng = np.random.default_rng(seed)
    noisy = [scene(seed, side) + rng.normal(0, 12 * k, (side, side, 3)) for k in range(count)]
    return np.stack(noisy).clip(0, 255).astype(np.uint8)


def score(device: str, dtype: torch.dtype) -> list[Readings]:
    judge = Judge.load(miniature_path("judge"), dtype, device)
    assert judge.model.device.type == device
    return judge.score(scene(0, SIDE)[::4, ::4], candidates(0, 6), chunk=4)


def apart(ours: list[Readings], theirs: list[Readings]) -> float:
    return float(np.abs(np.array([astuple(r) for r in ours]) - np.array([astuple(r) for r in theirs])).max())


@pytest.fixture(scope="module")
def reference() -> list[Readings]:
    return score("cpu", torch.float32)


def test_scores_are_those_of_the_cpu(reference: list[Readings]) -> None:
    ours = score(DEVICE, torch.float32)
    print(f"float32, largest difference of a reading: {apart(ours, reference):.2e}; q_sr {[r.q_sr for r in ours]}")
    assert len({round(r.q_sr, 3) for r in ours}) > 1, "it tells the pictures apart"
    assert apart(ours, reference) < 5e-3


def test_bfloat16_scores_stay_near(reference: list[Readings]) -> None:
    ours = score(DEVICE, torch.bfloat16)
    print(f"bfloat16, largest difference of a reading: {apart(ours, reference):.2e}")
    assert apart(ours, reference) < 0.1


def batch(groups: int = 2, count: int = 3, side: int = SIDE) -> Batch:
    views = np.stack([np.concatenate([candidates(g, count, side), scene(g, side)[None]])[::-1] for g in range(groups)])
    quality = np.tile(np.linspace(1.5, 4.5, count + 1, dtype=np.float32), (groups, 1))
    fidelity = np.tile(np.linspace(0.2, 0.9, count, dtype=np.float32), (groups, 1))
    fidelity[0, 0] = np.nan
    explanations = np.full((groups, count), "", dtype="<U32")
    explanations[0, -1] = "sharp and faithful"
    ladders = np.stack([np.stack([views[g, 1], 255 - views[g, 1]]) for g in range(groups)])
    margins = np.tile(np.array([[0, 0], [0.3, 0.1]], np.float32), (groups, 1, 1))
    return Batch(views, quality, fidelity, explanations, ladders, margins)


def objective(device: str, trained: str, checkpointing: bool = False) -> JudgeObjective:
    config = JudgeTrainingConfig.model_validate({"init": "miniature", "trained": trained, "dtype": "float32"})
    path = miniature_path("judge")
    model = load_trainable(path, config)
    if checkpointing:
        model.gradient_checkpointing_enable()
    processor = AutoProcessor.from_pretrained(path, local_files_only=True)
    made = JudgeObjective(model, processor, config.target, trains_vision=trained == "all")
    return made.to(device).train()


def gradient(made: JudgeObjective, shown: Batch, dtype: torch.dtype) -> tuple[float, NDArray[np.float32]]:
    with computing_in(dtype, made.model.device.type):
        loss = made(shown, Counts.of(shown))
    loss.backward()
    parts = [p.grad.float().flatten().cpu() for p in made.parameters() if p.requires_grad and p.grad is not None]
    return loss.item(), torch.cat(parts).numpy()


@pytest.mark.parametrize("trained", ["all", "lora"])
def test_loss_and_gradient_are_those_of_the_cpu(trained: str) -> None:
    ours, theirs = (gradient(objective(device, trained), batch(), torch.float32) for device in (DEVICE, "cpu"))
    ratio = float(np.linalg.norm(ours[1]) / np.linalg.norm(theirs[1]))
    print(f"{trained}: loss {ours[0]:.6f} and {theirs[0]:.6f}; gradient norms' ratio {ratio:.6f}")
    print(f"{trained}: cosine of the gradients {cosine(ours[1], theirs[1]):.7f}")
    assert ours[0] == pytest.approx(theirs[0], rel=2e-3)
    assert cosine(ours[1], theirs[1]) > 0.999 and ratio == pytest.approx(1, abs=0.01)


def test_the_gradient_in_bfloat16_points_the_same_way() -> None:
    loss, half = gradient(objective(DEVICE, "all"), batch(), torch.bfloat16)
    expected, whole = gradient(objective(DEVICE, "all"), batch(), torch.float32)
    print(f"bfloat16: loss {loss:.4f} and {expected:.4f}, cosine of the gradients {cosine(half, whole):.5f}")
    assert loss == pytest.approx(expected, rel=0.05)
    assert cosine(half, whole) > 0.99


def test_gradient_checkpointing_saves_memory_and_changes_nothing() -> None:
    def step(checkpointing: bool) -> tuple[float, float, NDArray[np.float32]]:
        made, results = objective(DEVICE, "all", checkpointing), []
        gradient(made, batch(), torch.float32)
        made.zero_grad(set_to_none=True)
        peak = peak_bytes(DEVICE, lambda: results.append(gradient(made, shown, torch.float32)))
        return peak / MIB, *results[0]

    shown = batch(groups=4, count=7, side=128)
    (whole, loss, grad), (saved, same, again) = step(False), step(True)
    print(f"judge, peak memory of a step: {whole:.0f} MiB, with gradient checkpointing {saved:.0f} MiB")
    assert same == pytest.approx(loss, rel=1e-4) and cosine(again, grad) > 0.9999
    assert saved < whole
