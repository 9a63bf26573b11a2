"""An exported run in plain diffusers: the same pictures as ours, and a LoRA that loads on its base."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import QwenImageEditPlusPipeline
from PIL import Image
from safetensors.torch import load_file
from tiny import SIDE, picture, tiny_config
from typer.testing import CliRunner

from learner import checkpoint
from learner.adapters import save_adapters
from oars.alignment.messages import PolicySnapshot
from oars.config import RunConfig, load_profile
from oars.files import sha256
from oars.generator.families import restore_qwen_edit_plus as restore
from oars.generator.merge import add_delta
from oars.generator.miniature.tiny import build_tiny
from oars.generator.policy import Policy, load_pipeline, load_transformer
from oars.generator.upscaler import Upscaler
from oars.report.summary import Summary, write_summary
from oars.safetensors_metadata import read_metadata
from oars.seeds import seeded_noise
from services.cli.main import app
from services.results.export import export_run
from services.run.beginning import begin_run
from services.run.run_directory import BadRun

SAMPLER = {"solver": "euler", "inference_steps": 5, "tile": SIDE, "overlap": 0}


def snapshot(config: RunConfig, version: int) -> PolicySnapshot:
    """An adapter that changes pictures."""
    policy = Policy(load_transformer(config.generator), config.generator, ("ema",), config.seed)
    with torch.no_grad():
        for parameter in policy.named_parameters("ema").values():
            parameter.add_(0.05)
    return policy.snapshot("ema", version)


def configured(folder: Path, **generator: object) -> RunConfig:
    config = tiny_config(folder / "base", runs=str(folder / "runs"), sampler=SAMPLER)
    return config.model_copy(update={"generator": config.generator.model_copy(update=generator)})


def finished_run(folder: Path, **generator: object) -> Path:
    """Its directory, as the driver leaves it."""
    build_tiny(folder / "base")
    config = configured(folder, **generator)
    directory, adapter = begin_run(config, "done"), snapshot(config, 7)
    add_delta(load_transformer(config.generator), adapter, config.generator.lora).save_pretrained(directory / "aligned")
    step = directory / "checkpoints" / "step_7"
    step.mkdir(parents=True)
    save_adapters(step, {"ema": adapter})
    state = {"version": 7, "digests": {"ema": adapter.digest}}
    checkpoint.write_manifest(step, {"phase": "rl", "state": state}, checkpoint.digests(step))
    write_summary(
        Summary(run_id="done", name="n", status="succeeded", started_at="", warnings=["look twice"]), directory
    )
    return directory


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    out = run.parent.parent / "exported"
    export_run(run, out, None)
    return out


def ours(run: Path, lr: np.ndarray) -> np.ndarray:
    config = load_profile(run / "config.yaml")
    weights = load_transformer(config.generator, run / "aligned")
    return Upscaler(load_pipeline(config.generator), weights, config.generator, config.sampler).sample(lr, 4, seed=3)


def theirs(pipeline: QwenImageEditPlusPipeline, exported: Path, lr: np.ndarray) -> np.ndarray:
    facts = json.loads((exported / "oars.json").read_text())
    tokens, channels = (SIDE // 8) ** 2, pipeline.transformer.config.in_channels
    noise = seeded_noise((tokens, channels), 3, "initial", 0)[None]
    return np.asarray(restore.restore(pipeline, Image.fromarray(lr), facts, latents=noise))


def test_plain_diffusers_draws_the_same_bytes(run: Path, exported: Path) -> None:
    lr = picture(1, SIDE // 4)
    pipeline = restore.load(exported)
    pictures = theirs(pipeline, exported, lr), ours(run, lr)
    np.testing.assert_array_equal(*pictures)
    assert pictures[0].std() > 1


@pytest.mark.parametrize("show_lr", [False, True])
def test_the_network_that_pre_restores_travels_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, show_lr: bool
) -> None:
    run = finished_run(tmp_path, pre_restoration="animevideov3", show_lr=show_lr)
    out, lr = tmp_path / "exported", picture(1, SIDE // 4)
    export_run(run, out, None)
    assert "Real-ESRGAN animevideov3" in (out / "README.md").read_text()
    assert "Xintao Wang" in (out / "pre_restoration" / "NETWORK_LICENSE").read_text()
    monkeypatch.syspath_prepend(out)  # as for a script that lies there
    pictures = theirs(restore.load(out), out, lr), ours(run, lr)
    np.testing.assert_array_equal(*pictures)
    carried = sys.modules.pop("pre_restoration")
    assert carried.__file__ == str(out / "pre_restoration" / "__init__.py")
    facts = json.loads((out / "oars.json").read_text()) | {"pre_restoration": "none"}
    (out / "oars.json").write_text(json.dumps(facts))
    assert np.abs(theirs(restore.load(out), out, lr).astype(int) - pictures[1]).max() > 8


@pytest.mark.parametrize("file", ["diffusers", "comfyui"])
def test_the_lora_on_its_base_is_the_merged_model(file: str, run: Path, exported: Path) -> None:
    lr = picture(1, SIDE // 4)
    pipeline = restore.load(run.parent.parent / "base")
    base = theirs(pipeline, exported, lr).astype(int)
    pipeline.load_lora_weights(exported / "lora", weight_name=f"{file}.safetensors")
    with_lora = theirs(pipeline, exported, lr).astype(int)
    assert np.abs(with_lora - base).max() > 8
    assert np.abs(with_lora - ours(run, lr)).max() <= 1


def test_upscale_draws_with_the_lora_beside_the_generator(run: Path, exported: Path, tmp_path: Path) -> None:
    base = shutil.copytree(run.parent.parent / "base", tmp_path / "base")
    profile, photo = tmp_path / "profile.yaml", tmp_path / "photo.png"
    config = load_profile(run / "config.yaml", [f"generator.path={base}"])
    profile.write_text(json.dumps(config.model_dump(mode="json")))
    Image.fromarray(picture(1, SIDE // 4)).save(photo)

    def drawn(*options: str) -> np.ndarray:
        given = ["upscale", str(photo), "-o", str(tmp_path / "out.png"), "--colour", "none", *options]
        assert CliRunner().invoke(app, given).exit_code == 0
        return np.asarray(Image.open(tmp_path / "out.png")).astype(int)

    without = drawn("--profile", str(profile))
    shutil.copy(exported / "lora" / "diffusers.safetensors", tmp_path / "base_aligned.safetensors")
    aligned, by_run = drawn("--profile", str(profile)), drawn("--run", "done", "--runs", str(run.parent))
    np.testing.assert_array_equal(drawn("--profile", str(profile), "--weights", "base"), without)
    assert np.abs(aligned - without).max() > 8 and np.abs(aligned - by_run).max() <= 1


def test_every_file_of_weights_says_where_it_comes_from(run: Path, exported: Path) -> None:
    files = [*(exported / "transformer").glob("*.safetensors"), *(exported / "lora").glob("*.safetensors")]
    assert len(files) == 3
    for file in files:
        said = read_metadata(file)
        assert said["format"] == "pt" and said["modelspec.trigger_phrase"] == tiny_config(run).generator.prompt
        assert said["oars.run_id"] == "done" and said["oars.version"] == "7" and said["oars.base_model"] == "base"
        assert said["oars.config_digest"] == sha256(run / "config.yaml") and len(said["oars.base_digest"]) == 64
        assert said["modelspec.license"] == "other"
    merged, aligned = (
        load_file(d / "diffusion_pytorch_model.safetensors") for d in (exported / "transformer", run / "aligned")
    )
    assert all(torch.equal(merged[name], tensor) for name, tensor in aligned.items())


def test_the_card_has_the_alarms(exported: Path) -> None:
    card = (exported / "README.md").read_text()
    assert "- look twice\n" in card and "license: other\n" in card and "`Restore this photo" in card


def test_the_base_models_licence_is_stated_unless_one_is_given(run: Path, tmp_path: Path) -> None:
    (run.parent.parent / "base" / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    assert export_run(run, tmp_path / "a", None).licence == "apache-2.0"
    assert export_run(run, tmp_path / "b", "mit").licence == "mit"


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    config = tiny_config(build_tiny(tmp_path / "base"), runs=str(tmp_path / "runs"))
    with pytest.raises(BadRun, match="has no checkpoint"):
        export_run(begin_run(config, "early"), tmp_path / "out", None)
    assert not (tmp_path / "out").exists()
