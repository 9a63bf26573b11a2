"""Trains the decoder of the miniature's VAE alone, on the latents that its encoder gives: what learnt them stays valid.

First its linear skeleton, then, on top, its residual branches (`branches.py`). `vae.py` says how both fit into the
class.
"""

import torch
from diffusers import AutoencoderKLQwenImage
from torch import Tensor, nn
from torch.nn import functional as F

from oars.generator.miniature.branches import silent, train_branches
from oars.generator.miniature.vae import (
    Crops,
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

LINEAR_LR = 1.5e-3


def refine_decoder(vae: AutoencoderKLQwenImage, crops: Crops, steps: int, progress: Progress) -> None:
    """Train in place, `steps` of the skeleton and `steps` of the branches; of the branches alone where they are trained
    already, since they stand on their skeleton. `progress(step, all_steps, loss)`."""
    vae.requires_grad_(False)
    before = steps if silent(vae) else 0
    if before:
        _train_skeleton(vae, crops, steps, lambda step, _, loss: progress(step, 2 * steps, loss))
    train_branches(vae, crops, steps, lambda step, _, loss: progress(before + step, before + steps, loss))


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
