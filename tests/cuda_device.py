"""What the tests on an accelerator share: the device's name, pictures, and memory."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

DEVICE = "cuda"
MIB = 2**20


def scene(seed: int, side: int) -> NDArray[np.uint8]:
    """Smooth waves with edges: a picture rather than noise, so that a model's answer to it is no accident."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [np.sin(2 * math.pi * (rng.uniform(1, 4) * x + rng.uniform(1, 4) * y + rng.uniform())) for _ in range(3)]
    picture = 128 + 70 * np.stack(waves, -1)
    picture[(x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.06] += 45
    return picture.clip(0, 255).astype(np.uint8)


def peak_bytes(device: str, work: Callable[[], object]) -> int:
    """Most CUDA memory that `work` had allocated at once, beyond what was there before; 0 on a CPU."""
    if device != "cuda":
        work()
        return 0
    torch.cuda.empty_cache()
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    work()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def cosine(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    a, b = ours.astype(np.float64).ravel(), theirs.astype(np.float64).ravel()
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
