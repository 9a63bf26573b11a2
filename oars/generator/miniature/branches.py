"""Trains the residual branches of the miniature's decoder, at all its levels, on top of its linear skeleton.

A linear decoder of this class cannot avoid ripples: it enlarges by repetition, which has no stripes of two pixels, and
whatever makes up for them goes on beside every edge. It also doubles what a generator's latents are off by. The
branches take out both. Errors count as they are seen: in a flat place a ripple of two levels is plain, in foliage
nobody finds it.
"""

import torch
from diffusers import AutoencoderKLQwenImage
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import QwenImageResidualBlock, QwenImageRMS_norm
from torch import Tensor, nn
from torch.nn import functional as F

from oars.generator.miniature.vae import Crops, Progress, SkeletonCodec, decoder_features, minimise, plain

BRANCH_LR = 2e-3
LATENT_NOISE = 0.014
"""The branches learn to stand latents that are off by a standard deviation from 0 to this, drawn for each picture: the
shipped base's are off by 0.015. More of it takes more ripples out, and some of the finest detail."""
_WINDOW, _MASKED = 5, 6 / 127.5
"""Pixels a side, and the local contrast (six grey levels) at which an error counts half as much as in a flat place."""


def train_branches(vae: AutoencoderKLQwenImage, crops: Crops, steps: int, progress: Progress) -> None:
    """In place; the skeleton stays as it is. Branches that are not silent are trained on from where they are."""
    blocks, codec, generator = decoder_blocks(vae), SkeletonCodec(vae), torch.Generator().manual_seed(0)
    if silent(vae):
        _open_last_level(vae, codec.posterior_mean(crops(steps))[:, :, 0])
    learnt = [module for block in blocks for module in (block.norm1, block.conv1, block.norm2, block.conv2)]
    parameters = [parameter.requires_grad_(True) for module in learnt for parameter in module.parameters()]

    def loss_of(pixels: Tensor) -> Tensor:
        with torch.no_grad():
            latents = codec.posterior_mean(pixels)[:, :, 0]
        deviation = LATENT_NOISE * torch.rand(len(latents), 1, 1, 1, generator=generator)
        latents = latents + deviation * torch.randn(latents.shape, generator=generator)
        return visible_error(decode_frame(vae, latents), pixels)

    optimiser = torch.optim.Adam(parameters, BRANCH_LR, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, BRANCH_LR, steps, pct_start=0.06)
    minimise(loss_of, crops, steps, optimiser, schedule, progress)
    vae.requires_grad_(False)


def visible_error(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of [B, 3, H, W], where a place weighs the less, the more contrast `wanted` has around it."""
    weights = 1 / (1 + _local_contrast(wanted) / _MASKED)
    return (weights / weights.mean() * (made - wanted).square()).mean()


def decode_frame(vae: AutoencoderKLQwenImage, latents: Tensor) -> Tensor:
    """What the decoder makes of one frame, [B, z, h, w] -> [B, 3, 4 h, 4 w], unclamped, without the temporal taps that
    meet nothing, and without the middle attention, which is silent."""
    decoder = vae.decoder
    x = plain(decoder.conv_in, plain(vae.post_quant_conv, latents))
    for block in decoder.mid_block.resnets:
        x = _through(block, x)
    for level in decoder.up_blocks:
        for block in level.resnets:
            x = _through(block, x)
        for upsampler in level.upsamplers or []:
            x = upsampler.resample(x)
    return plain(decoder.conv_out, F.silu(_normed(decoder.norm_out, x)))


def decoder_blocks(vae: AutoencoderKLQwenImage) -> list[QwenImageResidualBlock]:
    return [module for module in vae.decoder.modules() if isinstance(module, QwenImageResidualBlock)]


def silent(vae: AutoencoderKLQwenImage) -> bool:
    """Whether no branch adds anything: the decoder is its skeleton."""
    return not any(block.conv2.weight.any() or block.conv2.bias.any() for block in decoder_blocks(vae))


def _open_last_level(vae: AutoencoderKLQwenImage, latents: Tensor) -> None:
    """Its features hold a large constant: let each block's first norm give values near 1, and nothing of it."""
    features = decoder_features(vae, plain(vae.post_quant_conv, latents))
    normed = F.normalize(features, dim=1) * features.shape[1] ** 0.5
    scale = 1 / normed.std((0, 2, 3))
    scale[-1] = 0
    for block in vae.decoder.up_blocks[-1].resnets:
        block.norm1.gamma.copy_(scale.view(-1, 1, 1, 1))


def _through(block: QwenImageResidualBlock, x: Tensor) -> Tensor:
    kept = plain(block.conv_shortcut, x) if isinstance(block.conv_shortcut, nn.Conv3d) else x
    branch = plain(block.conv1, F.silu(_normed(block.norm1, x)))
    return kept + plain(block.conv2, F.silu(_normed(block.norm2, branch)))


def _normed(norm: QwenImageRMS_norm, x: Tensor) -> Tensor:
    return F.normalize(x, dim=1) * norm.scale * norm.gamma.view(-1, 1, 1)


def _local_contrast(pixels: Tensor) -> Tensor:
    """Standard deviation in the square around each place, mean of the channels, [B, 1, H, W]."""
    mean, square = (_around(values) for values in (pixels, pixels.square()))
    return (square - mean.square()).clamp_min(0).mean(1, keepdim=True).sqrt()


def _around(values: Tensor) -> Tensor:
    padded = F.pad(values, (_WINDOW // 2,) * 4, mode="reflect")
    return F.avg_pool2d(padded, _WINDOW, stride=1)
