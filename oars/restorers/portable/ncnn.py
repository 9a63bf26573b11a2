"""Runs an ncnn network (.param and .bin) in torch: how Real-ESRGAN's published networks are read out of a package.

The graph is taken as it stands: layers in order, blobs by name. Only what the SR networks use is there; another layer,
or another setting of one, raises BadNetwork. Weights are float16 or float32, computed in float32.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

_MAGIC = "7767517"
_HALF = 0x01306B47
"""ncnn's tag in front of float16 weights; 0 stands in front of float32."""
_ARRAY_KEY = -23300
"""A parameter key at or below this is an array: key = _ARRAY_KEY - id."""

Operation = Callable[[list[Tensor]], Tensor]


class BadNetwork(ValueError):
    """A network file that is torn or uses what is not known here; the message names the file."""


@dataclass(frozen=True)
class Layer:
    """One line of a .param file: numbers by id, arrays by id."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: dict[int, float] = field(default_factory=dict)
    arrays: dict[int, tuple[float, ...]] = field(default_factory=dict)

    def number(self, key: int, default: float = 0) -> float:
        return self.numbers.get(key, default)

    def whole(self, key: int, default: int = 0) -> int:
        return int(self.number(key, default))


def read_layers(path: Path) -> list[Layer]:
    """Raises BadNetwork."""
    lines = path.read_text().splitlines()
    if not lines or lines[0].strip() != _MAGIC:
        raise BadNetwork(f"{path}: not an ncnn text graph")
    return [_layer(line.split()) for line in lines[2:] if line.strip()]


def _layer(words: list[str]) -> Layer:
    kind, _, bottoms, tops, *rest = words
    middle, end = int(bottoms), int(bottoms) + int(tops)
    numbers, arrays = {}, {}
    for setting in rest[end:]:
        key, value = setting.split("=")
        if int(key) <= _ARRAY_KEY:
            arrays[_ARRAY_KEY - int(key)] = tuple(float(part) for part in value.split(",")[1:])
        else:
            numbers[int(key)] = float(value)
    return Layer(kind, tuple(rest[:middle]), tuple(rest[middle:end]), numbers, arrays)


class _Weights:
    """Reads a .bin file front to back."""

    def __init__(self, path: Path) -> None:
        self._path, self._data, self._at = path, path.read_bytes(), 0

    def tagged(self, count: int) -> Tensor:
        """Weights behind a tag that says their precision, padded to four bytes."""
        tag = int.from_bytes(self._take(4), "little")
        if tag not in (0, _HALF):
            raise BadNetwork(f"{self._path}: weights of an unknown precision, tag {tag:#x}")
        half = tag == _HALF
        data = self._take((count * 2 + 3) // 4 * 4 if half else count * 4)
        return torch.from_numpy(np.frombuffer(data, "<f2" if half else "<f4", count).astype(np.float32))

    def plain(self, count: int) -> Tensor:
        return torch.from_numpy(np.frombuffer(self._take(count * 4), "<f4", count).copy())

    def check_end(self) -> None:
        if self._at != len(self._data):
            raise BadNetwork(f"{self._path}: {len(self._data) - self._at} bytes more than the graph asks for")

    def _take(self, size: int) -> bytes:
        self._at += size
        if self._at > len(self._data):
            raise BadNetwork(f"{self._path}: ends before the graph does")
        return self._data[self._at - size : self._at]


class NcnnNetwork(nn.Module):
    """`forward`: [B, 3, h, w] -> the last blob, float32."""

    def __init__(self, param: Path, weights: Path) -> None:
        super().__init__()
        self._steps: list[tuple[Layer, Operation]] = []
        reader = _Weights(weights)
        for number, layer in enumerate(read_layers(param)):
            operation = self._operation(param, number, layer, reader)
            self._steps.append((layer, operation))
        reader.check_end()
        self._last_use = {blob: i for i, (layer, _) in enumerate(self._steps) for blob in layer.inputs}

    def forward(self, x: Tensor) -> Tensor:
        blobs: dict[str, Tensor] = {}
        result = x
        for index, (layer, operation) in enumerate(self._steps):
            inputs = [blobs[name] for name in layer.inputs] if layer.inputs else [x]
            result = operation(inputs)
            blobs.update(dict.fromkeys(layer.outputs, result))
            for name in layer.inputs:
                if self._last_use[name] == index:
                    blobs.pop(name, None)
        return result

    def _operation(self, path: Path, number: int, layer: Layer, reader: _Weights) -> Operation:
        if layer.kind in ("Input", "Split"):
            return lambda inputs: inputs[0]
        if layer.kind == "Concat" and layer.whole(0) == 0:
            return lambda inputs: torch.cat(inputs, 1)
        if layer.kind == "PixelShuffle":
            factor = layer.whole(0, 1)
            return lambda inputs: F.pixel_shuffle(inputs[0], factor)
        module = _module(layer, reader)
        if module is None:
            raise BadNetwork(f"{path}: layer {number} ({layer.kind}) is not known here")
        self.add_module(str(number), module)
        return lambda inputs: module(*inputs)


def _module(layer: Layer, reader: _Weights) -> nn.Module | None:
    match layer.kind:
        case "Convolution" if layer.whole(9) in (0, 1, 2):
            return _convolution(layer, reader)
        case "PReLU":
            activation = nn.PReLU(layer.whole(0))
            activation.weight.data = reader.plain(layer.whole(0))
            return activation
        case "Interp" if layer.whole(0) == 1:
            return nn.Upsample(scale_factor=(layer.number(1, 1), layer.number(2, 1)), mode="nearest")
        case "Eltwise" if layer.whole(0) == 1:
            return _WeightedSum(layer.arrays.get(1, (1.0,) * len(layer.inputs)))
        case "BinaryOp" if layer.whole(0) == 0 and not layer.whole(1):
            return _WeightedSum((1.0, 1.0))
    return None


def _convolution(layer: Layer, reader: _Weights) -> nn.Module:
    """Square kernels, stride and padding; activation 0 none, 1 ReLU, 2 leaky ReLU."""
    outputs, kernel, count = layer.whole(0), layer.whole(1), layer.whole(6)
    inputs = count // (outputs * kernel * kernel)
    convolution = nn.Conv2d(
        inputs, outputs, kernel, layer.whole(3, 1), layer.whole(4), layer.whole(2, 1), bias=bool(layer.whole(5))
    )
    convolution.weight.data = reader.tagged(count).reshape(outputs, inputs, kernel, kernel)
    if convolution.bias is not None:
        convolution.bias.data = reader.plain(outputs)
    slope = 0.0 if layer.whole(9) == 1 else layer.arrays.get(10, (0.0,))[0]
    return nn.Sequential(convolution, nn.LeakyReLU(slope)) if layer.whole(9) else convolution


class _WeightedSum(nn.Module):
    def __init__(self, weights: tuple[float, ...]) -> None:
        super().__init__()
        self._weights = weights

    def forward(self, *inputs: Tensor) -> Tensor:
        terms = [x if weight == 1 else x * weight for x, weight in zip(inputs, self._weights, strict=True)]
        return torch.stack(terms).sum(0) if len(terms) > 2 else terms[0] + terms[1]
