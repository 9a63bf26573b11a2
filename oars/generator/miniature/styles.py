"""The styles of the miniature's base, and how it chooses one: by the noise that it starts from (ours).

A large editor answers the same request now timidly, now boldly; alignment chooses between such answers. A regressor of
the miniature's size would paint their mean. So in training the style of a target follows from three numbers of its
noise: the flow then leads different noise to different styles, and K candidates differ as much as a large model's.
Each number is an average over all tokens of a part of the noise that a picture has little of, so the model can read it
at any time t.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from oars.generator.miniature.pool import Pictures, Pixels
from oars.imaging.perturbations import blurred, sharpened, to_pixels

BOLDNESS, TRUST, SHARPNESS = (0.85, 1.05), (-0.75, 0.5), (-0.75, 0.35)
"""Least and most of each number of a `Style`. Their middle is a little off what all metrics call best, overdone and
soft, as a base is that nobody aligned; the best is within (`python -m benchmarks.styles`)."""
CODES = 3
_DIAGONAL = torch.tensor([0.5, -0.5, -0.5, 0.5])
COARSE, FINE = 2.0, 1.6
"""Sigmas of what counts as coarse and of what sharpness is about, pixels."""


class Style(NamedTuple):
    boldness: float
    """Share of what the restoring network changed that is taken: 0 is the LR, resized."""
    trust: float
    """Share of the coarse contents, in which the restored picture differs from the LR, that is the LR's; below 0 they
    differ more. The LR is right about them where it is clean, and brings its noise where it is not."""
    sharpness: float
    """Amount of an unsharp mask; at -1 the picture is blurred."""


def styles_of(codes: Tensor) -> list[Style]:
    """The style that goes with each noise's codes, [B, CODES]."""
    timid, near, sharp = torch.special.ndtr(codes).unbind(1)
    least, most = codes.new_tensor((BOLDNESS, TRUST, SHARPNESS)).unbind(1)
    values = most - (most - least) * torch.stack([timid**2, 1 - near, 1 - sharp], dim=1)
    return [Style(*row) for row in values.tolist()]


def style_codes(noise: Tensor) -> Tensor:
    """`CODES` independent standard normal numbers of each noise [B, N, C]: [B, CODES]."""
    return token_codes(noise).sum(1) / noise.shape[1] ** 0.5


def token_codes(noise: Tensor) -> Tensor:
    """Each token's part in the codes, [B, N, CODES]: of the first latent channels, the diagonal detail of its 2 x 2
    patch."""
    return noise[..., : 4 * CODES].unflatten(-1, (CODES, 4)) @ _DIAGONAL.to(noise)


def with_turned_codes(noise: Tensor) -> Tensor:
    """The same noise but for its codes, which change sign; as likely as it."""
    shift = -2 * style_codes(noise) / noise.shape[1] ** 0.5
    turned = noise.clone()
    turned[..., : 4 * CODES] += (shift[..., None] * _DIAGONAL.to(noise)).flatten(1)[:, None]
    return turned


def styled(pair: Pictures, style: Style) -> Pixels:
    """The target of one pair, uint8 [S, S, 3]: the restored picture in this style.

    It follows from what the model sees: nothing of the photo is in it. Of what a model of this size cannot know, such
    as the photo's own texture, a flow paints samples, and they look like speckle and blotches.
    """
    restored, lr = pair.restored.astype(np.float32), pair.lr.astype(np.float32)
    best = sharpened(restored, FINE, style.sharpness) + np.float32(style.trust) * blurred(lr - restored, COARSE)
    return to_pixels(lr + np.float32(style.boldness) * (best - lr))


def styled_by(codes: Tensor, pictures: Pictures) -> Pixels:
    """The targets that `codes` [B, CODES] ask for, uint8 [B, S, S, 3]; B may be several times the number of pairs: the
    first of all, then the second."""
    pairs = [Pictures(*pair) for pair in zip(*pictures, strict=True)] * (len(codes) // len(pictures.lr))
    return np.stack([styled(pair, style) for pair, style in zip(pairs, styles_of(codes), strict=True)])
