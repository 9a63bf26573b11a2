"""The miniature `AutoencoderKLQwenImage`, trained in a quarter of an hour on a CPU.

Trained as it stands, this class sits under 28 dB for hours on a CPU. What works: with every residual branch silent, the
network without its two output norms is a chain of convolutions, an overcomplete linear transform that is cheap and
well-behaved to train. That skeleton is trained first, on the class's own weights. It is then made exact in the full
network: one spare channel carries a large constant, so that the RMS norm before each output convolution becomes a
fixed scale and SiLU acts near zero, where it is linear. The residual branches stay silent: training the whole network
costs a hundred times as much a step. The decoder is then trained on alone (`decoder.py`).

Latents are rotated so that a unit of latent error is a unit of pixel error, and share one scale: the flow transformer
then weighs errors as pixels do, instead of spending itself on the faintest high frequencies.
"""

import math
from collections.abc import Callable

import torch
from diffusers import AutoencoderKLQwenImage
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import QwenImageResample
from torch import Tensor, nn
from torch.nn import functional as F

from oars.generator.codec import Codec

BASE_DIM = 24
Z_DIM = 48
# Normalised magnitude of the features before the output SiLU: small enough that its curvature costs nothing at 40 dB.
LINEAR_RANGE = 0.004
LOG_VARIANCE = -12.0
PEAK_LR = 2e-3

Progress = Callable[[int, int, float], None]
"""(step, steps, loss)"""
Crops = Callable[[int], Tensor]
"""Step -> float32 [B, 3, H, W] in [-1, 1]."""


def build_vae(base_dim: int = BASE_DIM, z_dim: int = Z_DIM) -> AutoencoderKLQwenImage:
    """4x compression, one residual block a level; residual branches start silent, the other convolutions orthogonal."""
    vae = AutoencoderKLQwenImage(
        base_dim=base_dim,
        z_dim=z_dim,
        dim_mult=[1, 2, 3],
        num_res_blocks=1,
        temperal_downsample=[False, False],
        latents_mean=[0.0] * z_dim,
        latents_std=[1.0] * z_dim,
    )
    for name, module in vae.named_modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            _initialise(module, silent=name.endswith(("conv2", "proj")))
    for identity in (vae.quant_conv, vae.post_quant_conv):
        nn.init.dirac_(identity.weight)
    return vae


def _initialise(conv: nn.Conv2d | nn.Conv3d, silent: bool) -> None:
    nn.init.zeros_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    if not silent:
        # A single frame meets only the last temporal tap of a causal 3D kernel.
        taps = conv.weight.detach()[:, :, -1] if conv.weight.ndim == 5 else conv.weight.detach()
        taps.copy_(nn.init.orthogonal_(torch.empty(taps.shape)))


def train_vae(
    vae: AutoencoderKLQwenImage,
    crops: Crops,
    steps: int,
    progress: Progress,
) -> None:
    """Train in place."""
    optimiser = torch.optim.AdamW(vae.parameters(), lr=PEAK_LR, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LR, steps, pct_start=0.1)

    def loss_of(pixels: Tensor) -> Tensor:
        return F.mse_loss(reconstruct_skeleton(vae, pixels), pixels)

    minimise(loss_of, crops, steps, optimiser, schedule, progress)
    sample = crops(steps)
    make_heads_linear(vae, sample)
    whiten_to_pixels(vae, sample)


def minimise(
    loss_of: Callable[[Tensor], Tensor],
    crops: Crops,
    steps: int,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    progress: Progress,
) -> None:
    """Lower `loss_of(pixels)` of each step's crops, by the optimiser's parameters."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for step in range(steps):
        loss = loss_of(crops(step))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 0.5)
        optimiser.step()
        schedule.step()
        progress(step + 1, steps, loss.item())


def encode_mean(vae: AutoencoderKLQwenImage, pixels: Tensor) -> Tensor:
    """[B, 3, H, W] in [-1, 1] -> [B, z, H/4, W/4], the mean of the posterior."""
    return vae.quant_conv(vae.encoder(pixels.unsqueeze(2)))[:, : vae.config.z_dim, 0]


def decode_unclamped(vae: AutoencoderKLQwenImage, latents: Tensor) -> Tensor:
    return vae.decoder(vae.post_quant_conv(latents.unsqueeze(2)))[:, :, 0]


def plain(conv: nn.Conv2d | nn.Conv3d, x: Tensor) -> Tensor:
    weight = conv.weight[:, :, -1] if conv.weight.ndim == 5 else conv.weight
    return F.conv2d(x, weight, conv.bias, padding=weight.shape[-1] // 2)


def _encoder_features(vae: AutoencoderKLQwenImage, x: Tensor) -> Tensor:
    """Input of the encoder's output norm when every residual branch is silent."""
    x = plain(vae.encoder.conv_in, x)
    for block in vae.encoder.down_blocks:
        if isinstance(block, QwenImageResample):
            x = block.resample(x)
        elif isinstance(block.conv_shortcut, nn.Conv3d):
            x = plain(block.conv_shortcut, x)
    return x


def decoder_features(vae: AutoencoderKLQwenImage, latents: Tensor) -> Tensor:
    x = plain(vae.decoder.conv_in, latents)
    for block in vae.decoder.up_blocks:
        for resnet in block.resnets:
            if isinstance(resnet.conv_shortcut, nn.Conv3d):
                x = plain(resnet.conv_shortcut, x)
        for upsampler in block.upsamplers or []:
            x = upsampler.resample(x)
    return x


def decoder_layers(vae: AutoencoderKLQwenImage) -> list[nn.Conv2d | nn.Conv3d]:
    """Layers of the decoder's skeleton between its input and its output convolution, in their order."""
    layers: list[nn.Conv2d | nn.Conv3d] = []
    for block in vae.decoder.up_blocks:
        layers += [each.conv_shortcut for each in block.resnets if isinstance(each.conv_shortcut, nn.Conv3d)]
        layers += [each.resample[1] for each in block.upsamplers or []]
    return layers


def without_spare(features: Tensor) -> Tensor:
    return torch.cat([features[:, :-1], torch.zeros_like(features[:, -1:])], dim=1)


class SkeletonCodec(Codec):
    """The codec of a VAE made here, passing over its silent branches: the same latents at a fraction of the work."""

    def posterior_mean(self, pixels: Tensor) -> Tensor:
        vae = self.vae
        head = vae.encoder.nonlinearity(vae.encoder.norm_out(_encoder_features(vae, pixels).unsqueeze(2)))
        mean: Tensor = vae.quant_conv(vae.encoder.conv_out(head))[:, : vae.config.z_dim]
        return mean


def reconstruct_skeleton(vae: AutoencoderKLQwenImage, pixels: Tensor) -> Tensor:
    """Output of the full network once its heads are linear, without its silent branches; float32 [B, 3, H, W]."""
    latents = plain(vae.encoder.conv_out, without_spare(_encoder_features(vae, pixels)))[:, : vae.config.z_dim]
    return plain(vae.decoder.conv_out, without_spare(decoder_features(vae, latents)))


@torch.no_grad()
def make_heads_linear(vae: AutoencoderKLQwenImage, pixels: Tensor) -> None:
    """Let the full network compute what the skeleton computed, to within SiLU's curvature near zero."""
    z = vae.config.z_dim
    encoder_features = _encoder_features(vae, pixels)
    latents = plain(vae.encoder.conv_out, without_spare(encoder_features))[:, :z]
    made = decoder_features(vae, latents)
    last_shortcut = vae.encoder.down_blocks[-1].conv_shortcut
    last_upsample = vae.decoder.up_blocks[-2].upsamplers[0].resample[1]
    absorb_norm(vae.encoder.conv_out, last_shortcut, encoder_features)
    absorb_norm(vae.decoder.conv_out, last_upsample, made)
    vae.encoder.conv_out.weight[z:] = 0
    vae.encoder.conv_out.bias[z:] = LOG_VARIANCE


def absorbed(vae: AutoencoderKLQwenImage) -> float:
    """The factor that `absorb_norm` put into the decoder's output convolution."""
    producer = decoder_layers(vae)[-1]
    assert producer.bias is not None
    return 2 * float(producer.bias[-1]) / math.sqrt(producer.out_channels)


def absorb_norm(head: nn.Conv3d, producer: nn.Conv2d | nn.Conv3d, features: Tensor) -> None:
    """norm(h)_i = h_i sqrt(C) / |h| with |h| held at the constant; silu(u) = u / 2 near zero."""
    channels = features.shape[1]
    constant = features[:, :-1].square().mean().sqrt().item() * math.sqrt(channels) / LINEAR_RANGE
    producer.weight[-1] = 0
    assert producer.bias is not None
    producer.bias[-1] = constant
    head.weight.mul_(2 * constant / math.sqrt(channels))
    head.weight[:, -1] = 0


@torch.no_grad()
def whiten_to_pixels(vae: AutoencoderKLQwenImage, pixels: Tensor) -> None:
    """Turn the latents by G^(1/2), G the Gram matrix of the decoder's impulse responses; set mean and std."""
    z = vae.config.z_dim
    impulses = torch.zeros(z, z, 9, 9)
    impulses[torch.arange(z), torch.arange(z), 4, 4] = 1.0
    responses = decode_unclamped(vae, impulses) - decode_unclamped(vae, torch.zeros(1, z, 9, 9))
    values, vectors = torch.linalg.eigh(responses.flatten(1) @ responses.flatten(1).T)
    values = values.clamp_min(values.max() * 1e-4)
    forward = vectors @ torch.diag(values.sqrt()) @ vectors.T
    backward = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    vae.quant_conv.weight[:z, :z, 0, 0, 0] = forward @ vae.quant_conv.weight[:z, :z, 0, 0, 0]
    vae.quant_conv.bias[:z] = forward @ vae.quant_conv.bias[:z]
    vae.post_quant_conv.weight[:, :, 0, 0, 0] = vae.post_quant_conv.weight[:, :, 0, 0, 0] @ backward
    latents = encode_mean(vae, pixels)
    mean = latents.mean((0, 2, 3))
    std = (latents - mean[:, None, None]).square().mean().sqrt().item()
    vae.register_to_config(latents_mean=mean.tolist(), latents_std=[std] * z)
