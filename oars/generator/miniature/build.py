"""Builds the miniature generator from nothing but photos: VAE, text side, base transformer. Resumable.

Everything is written under `work` first; the finished pipeline goes to `out`, in bfloat16, in one rename.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageEditPlusPipeline

from oars.config import DataConfig, GeneratorConfig
from oars.files import write_directory
from oars.generator.conditioning import Conditioner
from oars.generator.miniature.base import train_base
from oars.generator.miniature.crops import CropSource, to_signed
from oars.generator.miniature.pipeline import assemble, build_transformer
from oars.generator.miniature.recipe import BaseTraining
from oars.generator.miniature.vae import SkeletonCodec, build_vae, train_vae
from oars.imaging.crops import training_pair
from oars.imaging.photo import Photo
from oars.imaging.photos import NoPhotos, find_photos

Progress = Callable[[str, int, int, float], None]
"""(phase, step, steps, loss)"""

# The pipeline sizes the text encoder's view in steps of 32 pixels; of 64 x 64 its processor makes 2 x 2 tokens, the
# fewest that it allows.
TEXT_IMAGE_AREA = 64 * 64
VAE_STEPS = 1500
_VAE_CROP, _VAE_BATCH = 64, 16
_PROMPTS = 64


def build_generator(out: Path, work: Path, progress: Progress, base: BaseTraining) -> Path:
    """Train what `work` does not hold yet, from the train photos of every source that is installed."""
    photos, seed = train_photos(), base.seed
    work.mkdir(parents=True, exist_ok=True)
    vae = _vae(photos, work / "vae", seed, progress)
    transformer = build_transformer(vae, seed)
    pipeline = assemble(work / "tokenizer", vae, transformer, GeneratorConfig().prompt, seed)
    build_base(pipeline, photos, work, progress, base)
    return _publish(pipeline, out)


def build_base(
    pipeline: QwenImageEditPlusPipeline, photos: list[Photo], work: Path, progress: Progress, base: BaseTraining
) -> None:
    """Train the pipeline's transformer in place, on a CUDA device where there is one; its other parts stay."""
    config = GeneratorConfig(text_image_area=TEXT_IMAGE_AREA)
    codec = SkeletonCodec(pipeline.vae)
    prompt_bank = _prompt_bank(pipeline, config, codec, photos, base.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for part in (pipeline.vae, pipeline.transformer):
        part.to(device)
    train_base(pipeline.transformer, codec, prompt_bank, photos, work, base, lambda *args: progress("base", *args))
    for part in (pipeline.vae, pipeline.transformer):
        part.to("cpu")


def train_photos() -> list[Photo]:
    """The train photos of `all` and, where they are installed, `backgrounds`."""
    photos = list(find_photos("all", "train"))
    with suppress(NoPhotos):
        photos += find_photos("backgrounds", "train")
    return photos


def _vae(photos: list[Photo], directory: Path, seed: int, progress: Progress) -> AutoencoderKLQwenImage:
    if not directory.exists():
        torch.manual_seed(seed)
        source, vae = CropSource(photos, seed), build_vae()
        train_vae(
            vae,
            lambda step: to_signed(source(step, _VAE_BATCH, _VAE_CROP)),
            VAE_STEPS,
            lambda *args: progress("vae", *args),
        )
        write_directory(directory, vae.save_pretrained)
    return AutoencoderKLQwenImage.from_pretrained(directory)


def _prompt_bank(
    pipeline: QwenImageEditPlusPipeline, config: GeneratorConfig, codec: SkeletonCodec, photos: list[Photo], seed: int
) -> torch.Tensor:
    conditioner, data = Conditioner(pipeline, config, codec), DataConfig(crop=64)
    lrs = [training_pair(photos, data, seed, index).lr for index in range(_PROMPTS)]
    sides = (data.crop, data.crop)
    return torch.stack([conditioner.condition(np.asarray(lr), *sides).prompt_embeds for lr in lrs])


def _publish(pipeline: QwenImageEditPlusPipeline, out: Path) -> Path:
    # Where the VAE was loaded from is no part of it.
    pipeline.vae.register_to_config(_name_or_path="miniature")
    write_directory(out, pipeline.to(torch.bfloat16).save_pretrained)
    return out
