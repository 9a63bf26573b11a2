"""Builds the miniature generator from nothing but photos: VAE, text side, pairs, base transformer. Resumable.

Everything is written under `work` first; the finished pipeline goes to `out`, in bfloat16, in one rename.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage, QwenImageEditPlusPipeline, QwenImageTransformer2DModel
from torch import Tensor

from oars.alignment.messages import Conditioning
from oars.config import GeneratorConfig
from oars.files import write_directory
from oars.generator.codec import Codec
from oars.generator.families import family_of
from oars.generator.miniature.base import encode_pictures, train_base
from oars.generator.miniature.crops import CropSource, to_signed
from oars.generator.miniature.decoder import refine_decoder
from oars.generator.miniature.pipeline import assemble, build_transformer
from oars.generator.miniature.pool import SIDE, Pictures, make_pool, pooled_pictures, read_pool
from oars.generator.miniature.recipe import DECODER_STEPS, BaseTraining
from oars.generator.miniature.style_head import set_style_head
from oars.generator.miniature.styles import CODES, styled_by
from oars.generator.miniature.vae import SkeletonCodec, build_vae, train_vae
from oars.generator.policy import load_pipeline
from oars.generator.pre_restoration import PreRestorer
from oars.imaging.photo import Photo
from oars.imaging.photos import NoPhotos, find_photos
from oars.seeds import derive_seed, seeded_noise

Progress = Callable[[str, int, int, float], None]
"""(phase, step, steps, loss)"""

# The pipeline sizes the text encoder's view in steps of 32 pixels; of 64 x 64 its processor makes 2 x 2 tokens, the
# fewest that it allows.
TEXT_IMAGE_AREA = 64 * 64
VAE_STEPS = 1500
_VAE_CROP, _VAE_BATCH = 64, 16
_PROMPTS = 64
_HEAD_SAMPLES = 24


def miniature_config(path: Path | None = None) -> GeneratorConfig:
    """How the miniature in `path` is conditioned; None: the embedded one."""
    return GeneratorConfig(
        path=str(path) if path else "miniature",
        text_image_area=TEXT_IMAGE_AREA,
        pre_restoration="x4plus",
        show_lr=True,
    )


def build_generator(
    out: Path,
    work: Path,
    progress: Progress,
    base: BaseTraining,
    photos: list[Photo],
    start: Path | None,
    decoder_steps: int = DECODER_STEPS,
    style_head: bool = False,
) -> Path:
    """Train what `work` does not hold yet; from the pipeline directory `start`, or from random weights. `base.steps` 0
    leaves the transformer as it is, `decoder_steps` 0 the VAE's decoder. Random weights always get a style head."""
    work.mkdir(parents=True, exist_ok=True)
    pipeline = load_pipeline(miniature_config(start)) if start else _untrained(photos, work, base.seed, progress)
    restorer, shards = PreRestorer("x4plus"), range(base.shards)
    make_pool(work / "pool", photos, restorer, shards, base.seed, lambda n: progress("pairs", n + 1, base.shards, 0.0))
    pool = read_pool(work / "pool", base.shards)
    if decoder_steps:
        pipeline.vae = _refined(pipeline.vae, pool, work / "vae_refined", base.seed, decoder_steps, progress)
    if base.steps:
        build_base(pipeline, pool, work, progress, base, style_head or start is None)
    return _publish(pipeline, out)


def build_base(
    pipeline: QwenImageEditPlusPipeline,
    pool: Pictures,
    work: Path,
    progress: Progress,
    base: BaseTraining,
    style_head: bool,
) -> None:
    """Train the pipeline's transformer in place, on a CUDA device where there is one; its other parts stay."""
    codec = SkeletonCodec(pipeline.vae)
    prompt_bank = _prompt_bank(pipeline, pool)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pipeline.transformer.float().requires_grad_(True).train()
    for part in (pipeline.vae, pipeline.transformer):
        part.to(device)
    if style_head:
        _set_style_head(pipeline.transformer, codec, prompt_bank[0].to(device), pool, base.seed)
    train_base(pipeline.transformer, codec, prompt_bank, pool, work, base, lambda *args: progress("base", *args))
    for part in (pipeline.vae, pipeline.transformer):
        part.to("cpu")


def train_photos(folder: Path | None) -> list[Photo]:
    """The train photos of `all`, of `backgrounds` where they are installed, and of a folder of the user's."""
    photos = list(find_photos("all", "train"))
    with suppress(NoPhotos):
        photos += find_photos("backgrounds", "train")
    return photos + (list(find_photos(str(folder), "train")) if folder else [])


def _untrained(photos: list[Photo], work: Path, seed: int, progress: Progress) -> QwenImageEditPlusPipeline:
    vae = _vae(photos, work / "vae", seed, progress)
    return assemble(work / "tokenizer", vae, build_transformer(vae, seed), GeneratorConfig().prompt, seed)


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


def _refined(
    vae: AutoencoderKLQwenImage, pool: Pictures, directory: Path, seed: int, steps: int, progress: Progress
) -> AutoencoderKLQwenImage:
    if not directory.exists():
        refine_decoder(vae.float(), partial(_styled_crops, pool, seed), steps, partial(progress, "decoder"))
        write_directory(directory, vae.save_pretrained)
    return AutoencoderKLQwenImage.from_pretrained(directory)


def _styled_crops(pool: Pictures, seed: int, step: int) -> Tensor:
    """Of pictures in all the styles that the base has."""
    rng = np.random.default_rng(derive_seed("decoder", seed, step))
    [pictures] = pooled_pictures(pool, _VAE_BATCH, seed, range(step, step + 1))
    targets = styled_by(torch.from_numpy(rng.standard_normal((_VAE_BATCH, CODES))), pictures)
    top, left = rng.integers(0, SIDE - _VAE_CROP + 1, 2)
    return to_signed(torch.from_numpy(targets[:, top : top + _VAE_CROP, left : left + _VAE_CROP]))


@torch.no_grad()
def _prompt_bank(pipeline: QwenImageEditPlusPipeline, pool: Pictures) -> torch.Tensor:
    """The text encoder's answers for some condition pictures, [M, L, D]."""
    family, config = family_of(pipeline), miniature_config()
    family.prepare(pipeline)
    shown = zip(pool.restored[:_PROMPTS], pool.lr[:_PROMPTS], strict=True)
    return torch.stack([family.embed(pipeline, list(pictures), config.prompt, config).float() for pictures in shown])


def _set_style_head(
    transformer: QwenImageTransformer2DModel, codec: Codec, prompt: Tensor, pool: Pictures, seed: int
) -> None:
    pictures = Pictures(*(each[:_HEAD_SAMPLES] for each in pool))
    grid = codec.grid(*pictures.lr.shape[1:3])
    noise = seeded_noise((len(pictures.lr), math.prod(grid), codec.channels), seed, "style head")
    x0, condition = encode_pictures(pictures, noise, codec)
    t = torch.linspace(0.05, 1, len(x0), device=x0.device)
    set_style_head(transformer, x0, noise.to(x0), t, [Conditioning(prompt, each, grid) for each in condition])


def _publish(pipeline: QwenImageEditPlusPipeline, out: Path) -> Path:
    # Where a part was loaded from is no part of it.
    for part in (pipeline.vae, pipeline.transformer):
        part.register_to_config(_name_or_path="miniature")
    write_directory(out, pipeline.to(torch.bfloat16).save_pretrained)
    return out
