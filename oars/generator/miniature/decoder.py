"""Trains the decoder of the miniature's VAE alone, on the latents that its encoder gives: what learnt them stays valid.

First its linear skeleton, then, on top, the residual branches of its last level. A linear decoder of this class cannot
avoid ripples: it enlarges by repetition, which has no stripes of two pixels, and whatever makes up for them goes on
beside every edge. The branches see nine pixels around and take the ripples out. `vae.py` says how both fit into the
class.
"""

from collections.abc import Callable

import torch
from diffusers import AutoencoderKLQwenImage
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import QwenImageResidualBlock, QwenImageRMS_norm
from torch import Tensor, nn
from torch.nn import functional as F

from oars.generator.miniature.vae import (
    Progress,
    SkeletonCodec,
    absorb_norm,
    absorbed,
    decoder_features,
    decoder_layers,
    encode_mean,
    minimise,
    plain,
    without_spare,
)

LINEAR_LR, BRANCH_LR = 1.5e-3, 2e-3
LATENT_NOISE = 0.003
"""Standard deviation that the branches learn to stand: a generator's latents are not quite those of a picture. More of
it, or errors counted by their size instead of their square, costs faint texture."""

Crops = Callable[[int], Tensor]
"""Step -> float32 [B, 3, H, W] in [-1, 1]."""


def refine_decoder(vae: AutoencoderKLQwenImage, crops: Crops, steps: int, progress: Progress) -> None:
    """Train in place, `steps` of each kind; `progress(step, 2 * steps, loss)`."""
    vae.requires_grad_(False)
    for block in _blocks(vae):
        nn.init.zeros_(block.conv2.weight), nn.init.zeros_(block.conv2.bias)
    _train_skeleton(vae, crops, steps, lambda step, _, loss: progress(step, 2 * steps, loss))
    _train_branches(vae, crops, steps, lambda step, _, loss: progress(steps + step, 2 * steps, loss))


def _train_skeleton(vae: AutoencoderKLQwenImage, crops: Crops, steps: int, progress: Progress) -> None:
    """Trained together with the encoder the decoder is left three dB short of what it can make of the latents: stripes
    of two and four pixels are learnt last."""
    head, codec = _linear_head(vae), SkeletonCodec(vae)
    layers = [vae.post_quant_conv, vae.decoder.conv_in, *decoder_layers(vae), head]
    parameters = [parameter.requires_grad_(True) for layer in layers for parameter in layer.parameters()]

    def loss_of(pixels: Tensor) -> Tensor:
        with torch.no_grad():
            latents = codec.posterior_mean(pixels)
        features = decoder_features(vae, vae.post_quant_conv(latents)[:, :, 0])
        return F.mse_loss(plain(head, without_spare(features)), pixels)

    optimiser = torch.optim.Adam(parameters, LINEAR_LR, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LINEAR_LR, steps, pct_start=0.06)
    minimise(loss_of, crops, steps, optimiser, schedule, progress)
    vae.requires_grad_(False)
    _restore_head(vae, head, crops(steps))


def _train_branches(vae: AutoencoderKLQwenImage, crops: Crops, steps: int, progress: Progress) -> None:
    """The skeleton stays as it is."""
    blocks, codec = _blocks(vae), SkeletonCodec(vae)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        _open_branches(blocks, decoder_features(vae, vae.post_quant_conv(codec.posterior_mean(crops(steps)))[:, :, 0]))
    learnt = [module for block in blocks for module in (block.conv1, block.norm2, block.conv2)]
    parameters = [parameter.requires_grad_(True) for module in learnt for parameter in module.parameters()]

    def loss_of(pixels: Tensor) -> Tensor:
        with torch.no_grad():
            latents = codec.posterior_mean(pixels)
            latents += LATENT_NOISE * torch.randn(latents.shape, generator=generator)
            features = decoder_features(vae, vae.post_quant_conv(latents)[:, :, 0])
        for block in blocks:
            features = features + _branch(block, features)
        made = plain(vae.decoder.conv_out, F.silu(_normed(vae.decoder.norm_out, features)))
        return F.mse_loss(made, pixels)

    optimiser = torch.optim.Adam(parameters, BRANCH_LR, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, BRANCH_LR, steps, pct_start=0.06)
    minimise(loss_of, crops, steps, optimiser, schedule, progress)
    vae.requires_grad_(False)


def _blocks(vae: AutoencoderKLQwenImage) -> list[QwenImageResidualBlock]:
    """Of the decoder's last level, whose input and output have the same channels."""
    return list(vae.decoder.up_blocks[-1].resnets)


def _open_branches(blocks: list[QwenImageResidualBlock], features: Tensor) -> None:
    """Let each first norm give its branch values near 1, and nothing of the constant beside them."""
    normed = F.normalize(features, dim=1) * features.shape[1] ** 0.5
    scale = 1 / normed.std((0, 2, 3))
    scale[-1] = 0
    for block in blocks:
        block.norm1.gamma.copy_(scale.view(-1, 1, 1, 1))


def _branch(block: QwenImageResidualBlock, x: Tensor) -> Tensor:
    """Of one frame, [B, C, H, W]; it leaves the spare channel alone."""
    x = plain(block.conv1, F.silu(_normed(block.norm1, x)))
    return without_spare(plain(block.conv2, F.silu(_normed(block.norm2, x))))


def _normed(norm: QwenImageRMS_norm, x: Tensor) -> Tensor:
    return F.normalize(x, dim=1) * norm.scale * norm.gamma[..., 0]


def _linear_head(vae: AutoencoderKLQwenImage) -> nn.Conv2d:
    """What the decoder's norm, SiLU and output convolution do to its features near zero."""
    out = vae.decoder.conv_out
    head = nn.Conv2d(out.in_channels, out.out_channels, 3, padding=1)
    assert head.bias is not None
    with torch.no_grad():
        head.weight.copy_(out.weight[:, :, -1] / absorbed(vae))
        head.bias.copy_(out.bias)
    return head


@torch.no_grad()
def _restore_head(vae: AutoencoderKLQwenImage, head: nn.Conv2d, pixels: Tensor) -> None:
    """Put a trained `_linear_head` back behind norm and SiLU, the constant as large as its features ask for."""
    out, producer = vae.decoder.conv_out, decoder_layers(vae)[-1]
    out.weight[:, :, -1] = head.weight
    out.bias.copy_(head.bias)
    latents = vae.post_quant_conv(encode_mean(vae, pixels).unsqueeze(2))[:, :, 0]
    absorb_norm(out, producer, decoder_features(vae, latents))
