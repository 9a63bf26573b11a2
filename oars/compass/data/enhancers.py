"""An enhancer by its config: filter, network, generator, a folder of outputs, or anybody's callable.

All have one shape: a list of tasks of one size in, a picture (or None, where the enhancer does not apply) a task out.
A result depends on its task and the enhancer's config alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from oars.compass.data import classical
from oars.compass.data.artefacts import draw, scene_of
from oars.compass.data.dataset import EnhancerEntry
from oars.compass.views import lr_view
from oars.config.base import BadConfig
from oars.config.curation import (
    ArtefactsConfig,
    CallableConfig,
    ClassicalConfig,
    EnhancerConfig,
    FolderConfig,
    GeneratorEnhancerConfig,
    NetworkConfig,
)
from oars.errors import UserError
from oars.files import fingerprint
from oars.imaging.image_io import read_image
from oars.imaging.perturbations import to_pixels
from oars.miniature import MINIATURE, resolve_model
from oars.model_files import check_model
from oars.restorers import weights as network_weights
from oars.restorers.portable.upscaler import NetworkUpscaler
from oars.restorers.pretrained import load_network
from oars.seeds import derive_seed

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Task:
    """One input as an enhancer gets it; `gt` only for those that make probes out of it."""

    input_id: str
    lr: Pixels
    gt: Pixels | None


Enhancer = Callable[[Sequence[Task]], list[Pixels | None]]

# Raised when our code makes other pictures of the same config: finished shards of the kind are then redone.
_SAMPLER_VERSION = 2
_ARTEFACTS_VERSION = 2


class BadEnhancer(UserError, ValueError):
    """An enhancer whose outputs or code cannot be used; the message is one line naming it."""


def load_enhancer(config: EnhancerConfig, scale: int, batch: int) -> Enhancer:
    """Raises BadEnhancer, MissingNetwork or MissingModel."""
    match config:
        case ClassicalConfig():
            method = classical.METHODS[config.method]
            return lambda tasks: [method(task.lr, scale) for task in tasks]
        case NetworkConfig():
            network = NetworkUpscaler(load_network(config.network), getattr(torch, config.dtype), batch)
            return lambda tasks: list(network.upscale([task.lr for task in tasks]))
        case GeneratorEnhancerConfig():
            return _generator(config, scale, batch)
        case FolderConfig():
            return lambda tasks: [_output(config, task, scale) for task in tasks]
        case CallableConfig():
            function = _function(config)
            return lambda tasks: [_called(config, function, task, scale) for task in tasks]
        case ArtefactsConfig():
            return lambda tasks: _artefacts(config, tasks)


def check_enhancer(config: EnhancerConfig, scale: int) -> None:
    """Find at once what would fail an hour later. Raises BadConfig, BadEnhancer, MissingNetwork or MissingModel."""
    match config:
        case NetworkConfig():
            network_weights.weight_files(config.network)
            if scale != network_weights.SCALE:
                raise BadConfig(
                    f"enhancer {config.name!r}: its network enlarges x{network_weights.SCALE}, scale is {scale}"
                )
        case GeneratorEnhancerConfig():
            resolve_model(config.generator.path, "generator")
            if config.weights is not None:
                check_model(config.weights)
        case FolderConfig() if not config.path.is_dir():
            raise BadEnhancer(f"enhancer {config.name!r}: no folder {config.path}")
        case CallableConfig():
            _function(config)
    if not entry_of(config).licence:
        raise BadConfig(f"enhancer {config.name!r}: say under which `licence` its pictures stand")


def missing_outputs(config: EnhancerConfig, input_ids: Sequence[str]) -> list[Path]:
    """Files that a folder of outputs lacks; empty for every other enhancer."""
    if not isinstance(config, FolderConfig):
        return []
    return [path for path in (_output_path(config, name) for name in input_ids) if not path.is_file()]


def ingredients(config: EnhancerConfig, input_ids: Sequence[str]) -> object:
    """Fingerprints of the weights, files and versions that the pictures depend on beside the config."""
    match config:
        case NetworkConfig():
            return [fingerprint(path) for path in network_weights.weight_files(config.network)]
        case GeneratorEnhancerConfig():
            weights = [config.weights] if config.weights else []
            paths = [resolve_model(config.generator.path, "generator"), *weights]
            return [_SAMPLER_VERSION, *(fingerprint(path) for path in paths)]
        case FolderConfig():
            return [fingerprint(_output_path(config, name)) for name in input_ids]
        case ArtefactsConfig():
            return _ARTEFACTS_VERSION
    return None


def entry_of(config: EnhancerConfig) -> EnhancerEntry:
    """The enhancer as the manifest lists it."""
    licence, source = "none needed: no weights", "a filter of this project"
    match config:
        case NetworkConfig():
            licence, source = network_weights.LICENCES[config.network], network_weights.SOURCES[config.network]
        case GeneratorEnhancerConfig():
            own = config.generator.path == MINIATURE and config.weights is None
            licence = "Apache-2.0" if own else ""
            source = f"generator {config.generator.path}" + (f", weights {config.weights}" if config.weights else "")
        case FolderConfig():
            licence, source = "", f"folder {config.path}"
        case CallableConfig():
            licence, source = "", config.target
        case ArtefactsConfig():
            source = "random artefacts on the ground truth, for probes"
    return EnhancerEntry(name=config.name, family=config.family, licence=config.licence or licence, source=source)


def _generator(config: GeneratorEnhancerConfig, scale: int, batch: int) -> Enhancer:
    # Loading diffusers takes seconds, which the other enhancers need not wait for.
    from oars.generator.policy import load_pipeline, load_transformer
    from oars.generator.upscaler import Upscaler

    transformer = load_transformer(config.generator, config.weights)
    upscaler = Upscaler(load_pipeline(config.generator), transformer, config.generator, config.sampler)

    def enhance(tasks: Sequence[Task]) -> list[Pixels | None]:
        results: list[Pixels | None] = []
        for start in range(0, len(tasks), batch):
            chunk = tasks[start : start + batch]
            seeds = [derive_seed("curation", config.seed, task.input_id) for task in chunk]
            samples = upscaler.sample_batch([task.lr for task in chunk], scale, seeds)
            results += [_exaggerated(sample, t.lr, config.strength) for sample, t in zip(samples, chunk, strict=True)]
        return results

    return enhance


def _exaggerated(sample: Pixels, lr: Pixels, strength: float) -> Pixels:
    """Scale the sample's difference from the bicubic LR by `strength`."""
    if strength == 1:
        return sample
    view = lr_view(lr, *sample.shape[:2]).astype(np.float32)
    return to_pixels(view + strength * (sample - view))


def _output(config: FolderConfig, task: Task, scale: int) -> Pixels:
    path = _output_path(config, task.input_id)
    return _checked(config, read_image(path), task, scale, str(path))


def _output_path(config: FolderConfig, input_id: str) -> Path:
    return config.path / f"{input_id}.png"


def _function(config: CallableConfig) -> Callable[[Pixels, int, int], Pixels]:
    module, _, name = config.target.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BadEnhancer(f"enhancer {config.name!r}: {config.target}: {error}") from error


def _called(config: CallableConfig, function: Callable[[Pixels, int, int], Pixels], task: Task, scale: int) -> Pixels:
    result = function(task.lr.copy(), scale, derive_seed("curation", config.name, task.input_id))
    return _checked(config, np.asarray(result), task, scale, config.target)


def _checked(config: EnhancerConfig, image: Pixels, task: Task, scale: int, where: str) -> Pixels:
    height, width = (side * scale for side in task.lr.shape[:2])
    if image.shape != (height, width, 3) or image.dtype != np.uint8:
        found, expected = f"{image.dtype} {list(image.shape)}", f"uint8 [{height}, {width}, 3]"
        raise BadEnhancer(f"enhancer {config.name!r}: {where}: {found} for {task.input_id}, expected {expected}")
    return image


def _artefacts(config: ArtefactsConfig, tasks: Sequence[Task]) -> list[Pixels | None]:
    """The foreign content of a task is the ground truth of the next one that has any."""
    truths = [task.gt for task in tasks if task.gt is not None]
    results: list[Pixels | None] = []
    for task in tasks:
        if task.gt is None:
            results.append(None)
            continue
        foreign = truths[(sum(result is not None for result in results) + 1) % len(truths)]
        rng = np.random.default_rng(derive_seed("artefacts", config.seed, task.input_id))
        results.append(draw(scene_of(task.lr, task.gt, foreign), rng).pixels)
    return results
