"""The models that an evaluation compares, by short texts, and each as one function: LR -> SR.

    base                   the profile's generator          generator:DIR   another directory in diffusers' format
    aligned                the same with the LoRA that it comes with
    bicubic, lanczos ...   a filter of curation             x4plus, dat-light ...   a network of curation
    folder:DIR             outputs made elsewhere: DIR/<picture>.png, or DIR/<benchmark>/<picture>.png
    python:MODULE:FUNCTION called as function(lr uint8 [h, w, 3], scale, seed) -> uint8 [H, W, 3]

A generator enlarges as `oars upscale` does: in tiles, the LR's colours kept. Its noise follows from the seed and the
picture's name alone, so it is the same for every generator.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from oars.aligned_lora import aligned_lora
from oars.compass.data.classical import METHODS
from oars.compass.data.enhancers import Task, check_enhancer, ingredients, load_enhancer
from oars.config.curation import CallableConfig, ClassicalConfig, EnhancerConfig, FolderConfig, NetworkConfig
from oars.config.generator import GeneratorConfig, SamplerConfig
from oars.errors import UserError
from oars.files import fingerprint
from oars.imaging.image_io import Pixels
from oars.miniature import resolve_model
from oars.model_files import check_weights
from oars.names import printable
from oars.seeds import derive_seed

Enlarge = Callable[[str, str, Pixels], Pixels]
"""Benchmark, picture and LR uint8 [h, w, 3] -> SR uint8 [h * scale, w * scale, 3]."""
_NETWORKS = get_args(NetworkConfig.model_fields["network"].annotation)
# A licence matters where pictures are passed on, which an evaluation does not.
_OWN = "of the user's own"


class BadContestant(UserError, ValueError):
    """A model that cannot be compared; the message is one line naming it."""


@dataclass(frozen=True)
class Contestant:
    """A model with its name in the tables."""

    name: str
    identity: Callable[[str, str], object]
    """All that its output for a benchmark's picture depends on beside the LR."""
    load: Callable[[], Enlarge]


@dataclass(frozen=True)
class Sampling:
    """What generators need beside weights."""

    generator: GeneratorConfig
    sampler: SamplerConfig
    scale: int
    seed: int


def contestant(name: str, text: str, sampling: Sampling) -> Contestant:
    """The model that `text` names, checked. Raises BadContestant, and what the check of its kind raises."""
    kind, _, rest = text.partition(":")
    if text == "base":
        return generated(name, sampling, None)
    if text == "aligned":
        return generated(name, sampling, _lora(sampling.generator.path))
    if kind == "generator" and rest:
        own = sampling.generator.model_copy(update={"path": rest})
        return generated(name, replace(sampling, generator=own), None)
    config = _enhancer(text, kind, rest)
    if config is None:
        raise BadContestant(
            f"model {printable(text)!r}: expected {', '.join(('base', 'aligned', *METHODS, *_NETWORKS))}, run:ID, "
            "sft:ID, generator:DIR, folder:DIR or python:MODULE:FUNCTION"
        )
    check_enhancer(config, sampling.scale)
    return Contestant(
        name,
        lambda benchmark, picture: [text, ingredients(_of_benchmark(config, benchmark), [picture])],
        lambda: _enhancing(config, sampling.scale),
    )


def generated(name: str, sampling: Sampling, weights: Path | None) -> Contestant:
    """A generator, with another transformer's weights or a LoRA if they are given. Raises MissingModel."""
    directory = resolve_model(sampling.generator.path, "generator")
    if weights is not None:
        check_weights(weights)
    else:  # the base is guided as it is meant to be
        guided = sampling.sampler.model_copy(update={"inference_cfg": sampling.sampler.base_cfg})
        sampling = replace(sampling, sampler=guided)
    made_by = [
        sampling.generator.model_dump(mode="json", exclude={"lora"}),
        sampling.sampler.model_dump(mode="json"),
        [fingerprint(path) for path in (directory, weights) if path is not None],
    ]
    return Contestant(name, lambda benchmark, picture: made_by, lambda: _upscaling(sampling, weights))


def _lora(generator: str) -> Path:
    if (lora := aligned_lora(resolve_model(generator, "generator"))) is None:
        raise BadContestant(
            f"model 'aligned': the generator {printable(generator)!r} comes with no LoRA; name a run:ID"
        )
    return lora


def _enhancer(text: str, kind: str, rest: str) -> EnhancerConfig | None:
    if text in METHODS:
        return ClassicalConfig.model_validate({"kind": "classical", "name": text, "method": text})
    if text in _NETWORKS:
        return NetworkConfig.model_validate({"kind": "network", "name": text, "network": text})
    if kind == "folder" and rest:
        return FolderConfig(kind="folder", name="folder", family="generative", path=Path(rest), licence=_OWN)
    if kind == "python" and rest:
        made = {"kind": "callable", "name": "python", "family": "generative", "target": rest, "licence": _OWN}
        return CallableConfig.model_validate(made)
    return None


def _of_benchmark(config: EnhancerConfig, benchmark: str) -> EnhancerConfig:
    """A folder of outputs may have a folder for each benchmark."""
    if isinstance(config, FolderConfig) and (config.path / benchmark).is_dir():
        return config.model_copy(update={"path": config.path / benchmark})
    return config


def _enhancing(config: EnhancerConfig, scale: int) -> Enlarge:
    loaded = load_enhancer(config, scale, batch=1)

    def enlarge(benchmark: str, picture: str, lr: Pixels) -> Pixels:
        folder = isinstance(config, FolderConfig)
        enhance = load_enhancer(_of_benchmark(config, benchmark), scale, batch=1) if folder else loaded
        [result] = enhance([Task(picture, lr, None)])
        assert result is not None  # None is for inputs without a ground truth that a probe would need
        return result

    return enlarge


def _upscaling(sampling: Sampling, weights: Path | None) -> Enlarge:
    from oars.generator.policy import load_pipeline  # diffusers takes seconds to import
    from oars.generator.upscaler import Upscaler

    pipeline = load_pipeline(sampling.generator, weights)
    upscaler = Upscaler(pipeline, pipeline.transformer, sampling.generator, sampling.sampler)

    def enlarge(benchmark: str, picture: str, lr: Pixels) -> Pixels:
        seed = derive_seed("benchmark", sampling.seed, picture)
        return upscaler.upscale(lr, sampling.scale, seed, lambda: None)

    return enlarge
