"""DISTS through pyiqa, where the package and its weights are on this machine: the paper's measure of fidelity.

pyiqa would fetch weights by itself; here they must lie in its cache already, so that annotating never surprises anybody
with a download, and says at once what is missing.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oars.metrics.perceptual import MissingWeights

_HEAD = "pyiqa/DISTS_weights-f5e65c96.pth"
_TRUNK = "checkpoints/vgg16-397923af.pth"


def dists_available() -> bool:
    return not _missing()


def require_dists() -> None:
    """Raises MissingWeights naming what is not here."""
    if missing := _missing():
        raise MissingWeights(f"DISTS needs {', '.join(missing)}; put them there, or set fidelity.source=metrics")


def dists_batch(sr: NDArray[np.uint8], gt: NDArray[np.uint8], chunk: int = 8) -> NDArray[np.float32]:
    """DISTS (Ding et al. 2020) of each pair of uint8 [B, H, W, 3]: 0 equal, more is worse. Raises MissingWeights."""
    metric = _metric()
    with torch.inference_mode():
        parts = [metric(_unit(sr[i : i + chunk]), _unit(gt[i : i + chunk])) for i in range(0, len(sr), chunk)]
    return np.asarray(torch.cat([part.reshape(-1) for part in parts]).cpu().numpy(), np.float32)


def _missing() -> list[str]:
    cached = Path(torch.hub.get_dir())
    files = [str(cached / name) for name in (_HEAD, _TRUNK) if not (cached / name).is_file()]
    return (["the package pyiqa"] if find_spec("pyiqa") is None else []) + files


@cache
def _metric() -> Any:
    require_dists()
    from pyiqa import create_metric

    return create_metric("dists", device="cuda" if torch.cuda.is_available() else "cpu")


def _unit(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
