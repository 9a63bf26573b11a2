"""Full-reference perceptual metrics: ST-LPIPS (AlexNet) and ColorVideoVDP.

Both read only files of installed packages (stlpips-pytorch's weights by path, cvvdp), never the network, and are
deterministic. Models are built on first use and kept; the number of torch threads is left alone.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from oars.errors import UserError

CVVDP_DISPLAY = "standard_fhd"
"""Full-HD monitor at arm's length, about 38 pixels a degree."""
CVVDP_PIXELS_PER_DEGREE = 19.0
"""Display that shows a picture at twice its size, as people look at crops (ours). At its own size a grid of period 2 is
all but invisible to the metric: over poor pictures one of 3 to 20 levels costs 0.005 JOD, at this size 0.39."""
_WEIGHTS = Path("weights/vST0.0/alex_shift_tolerant.pth")


class MissingWeights(UserError, FileNotFoundError):
    """A metric's package is not installed, or lacks its weights."""


def stlpips(sr: NDArray[np.uint8], gt: NDArray[np.uint8]) -> float:
    """Shift-tolerant LPIPS (Ghildyal and Liu, ECCV 2022) of two images uint8 [H, W, 3], H, W >= 32: 0 = equal, more is
    worse."""
    return float(stlpips_batch(sr[None], gt[None])[0])


def cvvdp(sr: NDArray[np.uint8], gt: NDArray[np.uint8]) -> float:
    """ColorVideoVDP (Mantiuk et al., SIGGRAPH 2024) of two sRGB images uint8 [H, W, 3], in JOD: 10 = equal, less is
    worse."""
    return float(cvvdp_batch(sr[None], gt[None])[0])


@torch.inference_mode()
def stlpips_batch(sr: NDArray[np.uint8], gt: NDArray[np.uint8], chunk: int = 16) -> NDArray[np.float32]:
    """ST-LPIPS of each pair of uint8 [B, H, W, 3]: float32 [B]; one `gt` [1, H, W, 3] for all is looked at once.

    Takes `chunk` pairs at a time, to bound memory.
    """
    model = _stlpips_model()
    shared = model.features(_signed(gt)) if len(gt) == 1 else None
    parts = [
        model.distance(model.features(_signed(sr[i : i + chunk])), shared or model.features(_signed(gt[i : i + chunk])))
        for i in range(0, len(sr), chunk)
    ]
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)


@torch.inference_mode()
def trunk_features(images: NDArray[np.uint8], chunk: int = 16) -> NDArray[np.float32]:
    """Features of ST-LPIPS' trunk for each picture alone: mean and standard deviation of its 1,152 channels over the
    picture, uint8 [B, H, W, 3] -> float32 [B, 2304]."""
    model = _stlpips_model()
    return np.concatenate([model.statistics(_signed(images[i : i + chunk])) for i in range(0, len(images), chunk)])


@torch.inference_mode()
def cvvdp_batch(sr: NDArray[np.uint8], gt: NDArray[np.uint8], chunk: int = 16) -> NDArray[np.float32]:
    """JOD of each pair of uint8 [B, H, W, 3]: float32 [B]."""
    metric = _cvvdp_model()
    parts = [
        metric.predict(_channels_first(sr[i : i + chunk]), _channels_first(gt[i : i + chunk]), dim_order="BCHW")[
            0
        ].reshape(-1)
        for i in range(0, len(sr), chunk)
    ]
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float32)


def _channels_first(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.array(images, order="C")).permute(0, 3, 1, 2).float() / 255


def _signed(images: NDArray[np.uint8]) -> Tensor:
    return _channels_first(images) * 2 - 1


@cache
def _cvvdp_model() -> Any:
    import pycvvdp  # heavy, and needed by few callers

    geometry = pycvvdp.vvdp_display_geometry([1920, 1080], ppd=CVVDP_PIXELS_PER_DEGREE)
    return pycvvdp.cvvdp(CVVDP_DISPLAY, display_geometry=geometry, quiet=True, device=torch.device("cpu"))


@cache
def _stlpips_model() -> "_ShiftTolerantLpips":
    spec = find_spec("stlpips_pytorch")
    path = Path(spec.origin).parent / _WEIGHTS if spec and spec.origin else None
    if path is None or not path.exists():
        raise MissingWeights("ST-LPIPS needs the package stlpips-pytorch, whose wheel carries its weights")
    return _ShiftTolerantLpips(torch.load(path, map_location="cpu", weights_only=True)).eval()


class _BlurPool(nn.Module):
    """Binomial 3 x 3 blur, stride 2, over an input padded by two reflected pixels."""

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), self.weight, stride=2, groups=x.shape[1])


def _conv(state: dict[str, Tensor], name: str, padding: int) -> nn.Conv2d:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    conv = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[-1], padding=padding)
    conv.load_state_dict({"weight": weight, "bias": bias})
    return conv


class _ShiftTolerantLpips(nn.Module):
    """The `alex`, `shift_tolerant` network: five slices of an AlexNet whose strides became blur pooling.

    Written here because the package itself imports notebook tools that scoring does not need.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        pool = lambda name: _BlurPool(state[f"net.{name}.filt"])  # noqa: E731
        relu, maximum = nn.ReLU(), nn.MaxPool2d(3, stride=1)
        self.slices = nn.ModuleList(
            [
                nn.Sequential(_conv(state, "net.slice1.0", 2), pool("slice1.1"), relu),
                nn.Sequential(maximum, pool("slice2.4"), _conv(state, "net.slice2.5", 2), relu),
                nn.Sequential(maximum, pool("slice3.8"), _conv(state, "net.slice3.9", 1), relu),
                nn.Sequential(_conv(state, "net.slice4.11", 1), relu),
                nn.Sequential(_conv(state, "net.slice5.13", 1), relu),
            ]
        )
        self.weights = [state[f"lin{i}.model.1.weight"] for i in range(len(self.slices))]
        self.register_buffer("shift", state["scaling_layer.shift"])
        self.register_buffer("scale", state["scaling_layer.scale"])

    def features(self, x: Tensor) -> list[Tensor]:
        """Unit channel vectors at every place of each slice, of [B, 3, H, W] in [-1, 1]."""
        features = []
        x = (x - self.shift) / self.scale
        for part in self.slices:
            x = part(x)
            features.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return features

    def statistics(self, x: Tensor) -> NDArray[np.float32]:
        """[B, 3, H, W] in [-1, 1] -> [B, channels of all slices * 2]."""
        columns = []
        x = (x - self.shift) / self.scale
        for part in self.slices:
            x = part(x)
            columns += [x.mean((2, 3)), x.std((2, 3))]
        return np.asarray(torch.cat(columns, 1).numpy())

    def distance(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Distance of each pair of pictures, from their features (B and B, or B and 1): [B]."""
        pairs = zip(a, b, self.weights, strict=True)
        terms = [F.conv2d((x - y).square(), weight).mean((1, 2, 3)) for x, y, weight in pairs]
        return torch.stack(terms).sum(0)
