"""One generator, ready to upscale pictures: pipeline parts plus a transformer (base, SFT or aligned)."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from diffusers import QwenImageEditPlusPipeline, QwenImageTransformer2DModel
from numpy.typing import NDArray

from oars.alignment.messages import Conditioning
from oars.config import GeneratorConfig, SamplerConfig
from oars.generator.codec import Codec
from oars.generator.conditioning import Conditioner
from oars.generator.policy import predict_velocity
from oars.generator.sampler import Velocity, denoise, flow_times, guided
from oars.imaging.colour import keep_colour
from oars.imaging.tiling import tile_count, upscale_tiled
from oars.precision import compute_dtype
from oars.seeds import seeded_noise

Pixels = NDArray[np.uint8]


class Upscaler:
    """Draws one SR image for an LR image with `inference_steps` steps. Deterministic given the seed."""

    def __init__(
        self,
        pipeline: QwenImageEditPlusPipeline,
        transformer: QwenImageTransformer2DModel,
        generator: GeneratorConfig,
        sampler: SamplerConfig,
    ) -> None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        pipeline.text_encoder.to(device)
        self.codec = Codec(pipeline.vae.to(device))
        self._conditioner = Conditioner(pipeline, generator, self.codec)
        self._scheduler = pipeline.scheduler
        self._transformer = transformer.to(device).eval()
        self._dtype = compute_dtype(generator.dtype)
        self._sampler = sampler

    def sample(self, lr: Pixels, scale: int, seed: int) -> Pixels:
        """uint8 [h, w, 3] -> uint8 [h * scale, w * scale, 3]; output sides must be multiples of a token."""
        return self.sample_batch([lr], scale, [seed])[0]

    @torch.no_grad()
    def sample_batch(self, lrs: Sequence[Pixels], scale: int, seeds: Sequence[int]) -> list[Pixels]:
        """`sample` of pictures of one size, together, each with its own noise."""
        height, width = (side * scale for side in lrs[0].shape[:2])
        conditionings = [self._conditioner.condition(lr, height, width) for lr in lrs]
        shape = tuple(conditionings[0].image_latents.shape)
        noise = torch.stack([seeded_noise(shape, seed, "initial", 0) for seed in seeds]).to(self._transformer.device)
        times = flow_times(self._scheduler, self._sampler.inference_steps, shape[0])
        velocity = self._velocity(conditionings)
        if self._sampler.inference_cfg > 1:
            away = [self._conditioner.condition(lr, height, width, self._sampler.negative_prompt) for lr in lrs]
            velocity = guided(velocity, self._velocity(away), self._sampler.inference_cfg)
        latents = denoise(velocity, noise, times, self._sampler.solver)
        return list(self.codec.decode(latents, conditionings[0].grid))

    def _velocity(self, conditionings: list[Conditioning]) -> Velocity:
        return lambda x, t: predict_velocity(self._transformer, x, t, conditionings, self._dtype)

    def upscale(self, lr: Pixels, scale: int, seed: int, progress: Callable[[int, int], None]) -> Pixels:
        """Any size: overlapping tiles, blended; colours of the LR kept. `progress(done, tiles)`."""
        tile, overlap, done = self._sampler.tile, self._sampler.overlap, itertools.count(1)
        tiles = tile_count(lr.shape[0], lr.shape[1], tile // scale, overlap // scale)

        def one(piece: Pixels) -> Pixels:
            result = self.sample(piece, scale, seed)
            progress(next(done), tiles)
            return result

        return keep_colour(upscale_tiled(lr, scale, tile, overlap, one), lr)
