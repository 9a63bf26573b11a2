"""The state of every random generator of a process: Python's, numpy's, torch's on the CPU and on each device."""

import random
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Tensors, numbers and tuples only, which `torch.load` takes without pickle."""
    _, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    keys = np.asarray(keys, np.int64)
    return {
        "python": random.getstate(),
        "numpy": (torch.from_numpy(keys), int(position), int(has_gauss), float(gauss)),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
