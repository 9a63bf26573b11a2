"""Every random draw of a run comes from a seed that the conductor wrote, so any process reproduces any candidate."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def derive_seed(*parts: str | int) -> int:
    """A 63-bit seed from the run's seed and any labels, stable across processes and versions of Python."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seeded_noise(shape: tuple[int, ...], *parts: str | int) -> "Tensor":
    """Standard normal float32 on the CPU, the same on every machine; move it to the device after."""
    import torch  # seconds, and most seeds are for numpy: a command says first what can be refused without it

    return torch.randn(shape, generator=torch.Generator().manual_seed(derive_seed(*parts)))
