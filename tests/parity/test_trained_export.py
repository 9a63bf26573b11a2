"""Every family from a learner's checkpoint to plain diffusers: one step trained, merged and exported, and `restore.py`
of the export draws what we draw; so does the base with the exported LoRA."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from learned import train_one_step
from numpy.typing import NDArray
from PIL import Image
from tiny import SIDE, picture, tiny_config

from learner.adapters import evaluated_adapter
from oars.config import RunConfig
from oars.generator.merge import add_delta
from oars.generator.miniature.tiny import build_tiny
from oars.generator.miniature.tiny_flux import build_tiny_flux
from oars.generator.policy import load_pipeline, load_transformer
from oars.generator.upscaler import Upscaler
from oars.report.summary import Summary, write_summary
from oars.seeds import seeded_noise
from services.results.export import export_run
from services.run.beginning import begin_run

LR = picture(1, SIDE // 4)


@dataclass(frozen=True)
class Exported:
    config: RunConfig
    run: Path
    out: Path

    def drawn(self, model: Path, lora: bool = False) -> NDArray[np.int64]:
        """By the script that the export carries, with the pipeline in `model`."""
        script, facts = _script(self.out / "restore.py"), json.loads((self.out / "oars.json").read_text())
        pipeline = script.load(model)
        if lora:
            pipeline.load_lora_weights(self.out / "lora", weight_name="diffusers.safetensors")
        noise = seeded_noise(((SIDE // 8) ** 2, pipeline.transformer.config.in_channels), 3, "initial", 0)[None]
        return np.asarray(script.restore(pipeline, Image.fromarray(LR), facts, latents=noise)).astype(int)

    def ours(self) -> NDArray[np.uint8]:
        config = self.config
        weights = load_transformer(config.generator, self.run / "aligned")
        return Upscaler(load_pipeline(config.generator), weights, config.generator, config.sampler).sample(LR, 4, 3)


def _script(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("carried_restore", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def learner() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        yield process


@pytest.fixture(scope="module", params=[build_tiny, build_tiny_flux])
def exported(
    request: pytest.FixtureRequest, learner: ProcessPoolExecutor, tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    build: Callable[[Path], Path] = request.param
    folder = tmp_path_factory.mktemp("family")
    config = tiny_config(
        build(folder / "base"),
        runs=str(folder / "runs"),
        sampler={"solver": "euler", "steps": 3, "inference_steps": 3, "batch": 2, "tile": SIDE, "overlap": 0},
        objective={"timesteps": 2, "ema": 0.0},  # a step of it shows in the pictures
        optimiser={"micro_batch": 4, "lr": 5e-2},
    )
    run, out = begin_run(config, "trained"), folder / "exported"
    step = run / "checkpoints" / "step_1"
    learner.submit(train_one_step, config, step).result(timeout=300)
    adapter = evaluated_adapter(step)
    add_delta(load_transformer(config.generator), adapter, config.generator.lora).save_pretrained(run / "aligned")
    write_summary(Summary(run_id="trained", name="n", status="succeeded", started_at=""), run)
    assert export_run(run, out, "other").version == 1
    return Exported(config, run, out)


def test_what_a_learner_trained_is_drawn_by_plain_diffusers(exported: Exported) -> None:
    ours = exported.ours()
    base = exported.drawn(Path(exported.config.generator.path))
    assert np.abs(base - ours).max() > 8
    np.testing.assert_array_equal(exported.drawn(exported.out), ours)
    assert np.abs(exported.drawn(Path(exported.config.generator.path), lora=True) - ours).max() <= 1
