"""The ncnn reader against plain numpy on a hand-written network of every layer it knows, and the real networks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.signal import correlate2d

from oars.imaging.photos import find_photos
from oars.metrics.pixel import psnr
from oars.restorers.portable.ncnn import BadNetwork, NcnnNetwork
from oars.restorers.portable.upscaler import NetworkUpscaler
from oars.restorers.pretrained import load_network

GRAPH = """7767517
10 14
Input            in     0 1 data
Split            split  1 2 data a b
Convolution      c1     1 1 a x 0=4 1=3 4=1 5=1 6=108 9=2 -23310=1,2.000000e-01
PReLU            p      1 1 x y 0=4
Convolution      c2     1 1 y z 0=12 1=1 4=0 5=1 6=48
Split            split2 1 2 z z1 z2
Eltwise          sum    2 1 z1 z2 s 0=1 -23301=2,5.000000e-01,1.000000e+00
PixelShuffle     up     1 1 s big 0=2
Interp           near   1 1 b near 0=1 1=2.000000e+00 2=2.000000e+00
BinaryOp         add    2 1 big near out 0=0
"""


def write_network(folder: Path) -> tuple[Path, Path, list[np.ndarray]]:
    """The graph above with half-precision weights in one convolution and single precision in the other."""
    rng = np.random.default_rng(0)
    w1 = rng.normal(size=(4, 3, 3, 3)).astype(np.float16)
    b1, slopes = rng.normal(size=4).astype(np.float32), rng.uniform(0, 1, 4).astype(np.float32)
    w2, b2 = rng.normal(size=(12, 4, 1, 1)).astype(np.float32), rng.normal(size=12).astype(np.float32)
    param, weights = folder / "n.param", folder / "n.bin"
    param.write_text(GRAPH)
    half = (0x01306B47).to_bytes(4, "little") + w1.tobytes()
    single = (0).to_bytes(4, "little") + w2.tobytes()
    weights.write_bytes(half + b1.tobytes() + slopes.tobytes() + single + b2.tobytes())
    return param, weights, [w1.astype(np.float64), b1, slopes, w2, b2]


def by_numpy(x: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """[3, h, w] -> [3, 2h, 2w]"""
    w1, b1, slopes, w2, b2 = weights
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    y = np.stack([sum(correlate2d(padded[i], w[i], "valid") for i in range(3)) for w in w1]) + b1[:, None, None]
    y = np.where(y > 0, y, 0.2 * y)
    y = np.where(y > 0, y, slopes[:, None, None] * y)
    z = np.einsum("oi,ihw->ohw", w2[:, :, 0, 0], y) + b2[:, None, None]
    s = 1.5 * z
    channels, height, width = 3, *x.shape[1:]
    big = s.reshape(channels, 2, 2, height, width).transpose(0, 3, 1, 4, 2).reshape(channels, 2 * height, 2 * width)
    return big + x.repeat(2, 1).repeat(2, 2)


def test_every_layer_agrees_with_plain_numpy(tmp_path: Path) -> None:
    param, weights, numbers = write_network(tmp_path)
    network = NcnnNetwork(param, weights)
    x = np.random.default_rng(1).normal(size=(2, 3, 5, 6))
    with torch.inference_mode():
        found = network(torch.from_numpy(x).float()).numpy()
    assert np.allclose(found, np.stack([by_numpy(one, numbers) for one in x]), atol=1e-4)


def test_torn_weights_and_unknown_layers_are_named(tmp_path: Path) -> None:
    param, weights, _ = write_network(tmp_path)
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-8])
    with pytest.raises(BadNetwork, match="ends before"):
        NcnnNetwork(param, weights)
    weights.write_bytes(whole + b"\0" * 4)
    with pytest.raises(BadNetwork, match="4 bytes more"):
        NcnnNetwork(param, weights)
    weights.write_bytes(whole)
    param.write_text(param.read_text().replace("PixelShuffle", "Pooling     "))
    with pytest.raises(BadNetwork, match="Pooling"):
        NcnnNetwork(param, weights)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("animevideov3", 621_424), ("x4plus-anime", 4_467_779), ("x4plus", 16_697_987), ("dat-light", None)],
)
def test_published_networks_restore_a_photo(name: str, parameters: int | None) -> None:
    """Parameters as published; the output is a picture of its input, and a mirrored input gives the mirrored output."""
    network = load_network(name)
    if parameters is not None:
        assert sum(p.numel() for p in network.parameters()) == parameters
    photo = find_photos("packages", "train")[0].pixels()[128:224, 200:296]
    lr = np.asarray(Image.fromarray(photo).resize((24, 24), Image.Resampling.BICUBIC))
    sr = NetworkUpscaler(network, torch.float32, 2).upscale([lr, lr[:, ::-1]])
    assert sr[0].shape == photo.shape
    reduced = np.asarray(Image.fromarray(sr[0]).resize((24, 24), Image.Resampling.BOX))
    assert psnr(reduced, lr) > 24 and psnr(sr[0], photo) > 22
    assert psnr(np.ascontiguousarray(sr[1][:, ::-1]), sr[0]) > 20
