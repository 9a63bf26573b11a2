"""One generator, ready to upscale pictures: pipeline parts plus a transformer (base, SFT or aligned)."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from diffusers import DiffusionPipeline, ModelMixin
from numpy.typing import NDArray

from oars.alignment.messages import Conditioning
from oars.config import GeneratorConfig, SamplerConfig
from oars.generator.codec import Codec
from oars.generator.conditioning import Conditioner
from oars.generator.noise_field import NoiseField
from oars.generator.policy import predict_velocity
from oars.generator.sampler import Velocity, denoise, flow_times, guided
from oars.imaging.colour import keep_colour
from oars.imaging.tiling import Tiles, tiled_rows
from oars.precision import compute_dtype
from oars.seeds import seeded_noise

Pixels = NDArray[np.uint8]


class Upscaler:
    """Draws one SR image for an LR image with `inference_steps` steps. Deterministic given the seed."""

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        transformer: ModelMixin,
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

    def sample_batch(self, lrs: Sequence[Pixels], scale: int, seeds: Sequence[int]) -> list[Pixels]:
        """`sample` of pictures of one size, together, each with its own noise."""
        height, width = (side * scale for side in lrs[0].shape[:2])
        rows, columns = self.codec.grid(height, width)
        shape = (rows * columns, self.codec.channels)
        noise = torch.stack([seeded_noise(shape, seed, "initial", 0) for seed in seeds])
        return self._drawn(lrs, height, width, noise)

    @torch.no_grad()
    def _drawn(self, lrs: Sequence[Pixels], height: int, width: int, noise: torch.Tensor) -> list[Pixels]:
        """Outputs of height x width px from `noise` [B, N, C]."""
        conditionings = [self._conditioner.condition(lr, height, width) for lr in lrs]
        noise = noise.to(self._transformer.device)
        times = flow_times(self._scheduler, self._sampler.inference_steps, noise.shape[1])
        velocity = self._velocity(conditionings)
        if self._sampler.inference_cfg > 1:
            away = [self._conditioner.condition(lr, height, width, self._sampler.negative_prompt) for lr in lrs]
            velocity = guided(velocity, self._velocity(away), self._sampler.inference_cfg)
        latents = denoise(velocity, noise, times, self._sampler.solver)
        return list(self.codec.decode(latents, conditionings[0].grid))

    def _velocity(self, conditionings: list[Conditioning]) -> Velocity:
        return lambda x, t: predict_velocity(self._transformer, x, t, conditionings, self._dtype)

    def upscale(self, lr: Pixels, scale: int, seed: int, progress: Callable[[], None]) -> Pixels:
        """`rows` in memory, with the colours of the LR."""
        return keep_colour(np.concatenate(list(self.rows(lr, scale, seed, progress))), lr)

    def rows(self, lr: Pixels, scale: int, seed: int, progress: Callable[[], None]) -> Iterator[Pixels]:
        """Any size: bands of rows of uint8 [h * scale, w * scale, 3], from blended tiles. `progress` hears of each
        tile."""
        tiles, token = Tiles.on_grid(scale, self._sampler.tile, self._sampler.overlap), self.codec.pixels_per_token
        field = NoiseField(seed, tiles.padded(lr.shape[1]) * scale // token, self.codec.channels)

        def draw(piece: Pixels, top: int, left: int) -> Pixels:
            rows, columns = self.codec.grid(tiles.tile, tiles.tile)
            noise = field.window(top * scale // token, left * scale // token, rows, columns)
            [drawn] = self._drawn([piece], tiles.tile, tiles.tile, noise[None])
            progress()
            return drawn

        return tiled_rows(lr, tiles, draw)
