"""Enhancers by config: every kind runs, depends on its task alone, and bad outputs are one line naming the enhancer."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oars.compass.data import enhancers
from oars.compass.data.classical import METHODS, noise_level
from oars.compass.data.enhancers import (
    BadEnhancer,
    Task,
    check_enhancer,
    entry_of,
    ingredients,
    load_enhancer,
    missing_outputs,
)
from oars.config import BadConfig
from oars.config.curation import (
    ArtefactsConfig,
    CallableConfig,
    ClassicalConfig,
    EnhancerConfig,
    FolderConfig,
    GeneratorEnhancerConfig,
    NetworkConfig,
)
from oars.config.generator import GeneratorConfig, SamplerConfig
from oars.imaging.perturbations import to_pixels
from oars.model_files import MissingModel

MINIATURE = {"generator": GeneratorConfig(text_image_area=4096), "sampler": SamplerConfig(inference_steps=2)}


def tasks(count: int = 3) -> list[Task]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 255, (8, 8, 3)).astype(np.uint8))
        gt = np.asarray(small.resize((96, 96), Image.Resampling.BICUBIC))
        made.append(Task(f"input{number}", np.asarray(Image.fromarray(gt).reduce(4)), gt))
    return made


@pytest.mark.parametrize(
    "config",
    [
        *(ClassicalConfig(name=name, kind="classical", method=name) for name in METHODS),  # type: ignore[arg-type]
        NetworkConfig(name="n", kind="network", network="animevideov3"),
        CallableConfig(
            name="c", kind="callable", target="tests.compass_data:slow_copy", family="regression", licence="-"
        ),
        ArtefactsConfig(name="a", kind="artefacts"),
        GeneratorEnhancerConfig(name="g", kind="generator", **MINIATURE),  # type: ignore[arg-type]
    ],
    ids=lambda config: f"{config.kind}-{config.name}",
)
def test_every_kind_enlarges_and_does_the_same_again(config: ClassicalConfig) -> None:
    check_enhancer(config, 4)
    made = load_enhancer(config, 4, 2)(tasks())
    again = load_enhancer(config, 4, 2)(tasks())
    for first, second in zip(made, again, strict=True):
        assert first is not None and second is not None
        assert first.shape == (96, 96, 3) and first.dtype == np.uint8
        assert np.array_equal(first, second)


def test_classical_methods_do_what_their_names_say() -> None:
    """Denoisers smooth a noisy flat input, back-projection agrees with its input, and noise is measured right."""
    noise = np.random.default_rng(1).normal(size=(24, 24, 3))
    noisy = to_pixels((128 + 12 * noise).astype(np.float32))
    plain = METHODS["bicubic"](noisy, 4)
    for name in ("nonlocal_sharpen", "tv_sharpen"):
        assert METHODS[name](noisy, 4).std() < 0.5 * plain.std()
    assert METHODS["unsharp"](noisy, 4).std() > 1.2 * plain.std()
    [task] = tasks(1)
    reduced, bicubic = (
        METHODS[name](task.lr, 4).reshape(24, 4, 24, 4, 3).mean((1, 3)) for name in ("back_projection", "bicubic")
    )
    assert np.abs(reduced - task.lr).mean() < 0.5 * np.abs(bicubic - task.lr).mean()
    assert noise_level(0.5 + 0.05 * noise) == pytest.approx(0.05, rel=0.1)


def test_generators_differ_by_seed_and_strength_measures_what_was_added() -> None:
    def sample(**changes: object) -> np.ndarray:
        config = GeneratorEnhancerConfig(name="g", kind="generator", **(MINIATURE | changes))  # type: ignore[arg-type]
        [picture] = load_enhancer(config, 4, 1)(tasks(1))
        assert picture is not None
        return picture.astype(float)

    whole, half, other = sample(), sample(strength=0.5), sample(seed=1)
    view = METHODS["bicubic"](tasks(1)[0].lr, 4).astype(float)
    assert np.abs(whole - other).mean() > 1
    assert np.abs((half - view) - 0.5 * (whole - view)).max() <= 0.5 + 1e-6


def test_a_folder_of_outputs_is_read_by_input_id_and_checked(tmp_path: Path) -> None:
    config = FolderConfig(name="diffbir", kind="folder", path=tmp_path, family="generative", licence="-")
    [first, second] = tasks(2)
    Image.new("RGB", (96, 96), (1, 2, 3)).save(tmp_path / "input0.png")
    assert missing_outputs(config, ["input0", "input1"]) == [tmp_path / "input1.png"]
    [picture] = load_enhancer(config, 4, 1)([first])
    assert picture is not None and (picture == (1, 2, 3)).all()
    before = ingredients(config, ["input0"])
    Image.new("RGB", (64, 96)).save(tmp_path / "input1.png")
    with pytest.raises(BadEnhancer, match=r"diffbir.*input1.*expected uint8 \[96, 96, 3\]"):
        load_enhancer(config, 4, 1)([second])
    Image.new("RGB", (96, 96), (9, 9, 9)).save(tmp_path / "input0.png")
    assert ingredients(config, ["input0"]) != before, "other outputs make other shards"


def test_artefacts_need_a_ground_truth_and_say_so_by_making_nothing() -> None:
    [first, second] = tasks(2)
    made = load_enhancer(ArtefactsConfig(name="a", kind="artefacts"), 4, 1)([first, Task("real", second.lr, None)])
    assert made[0] is not None and made[1] is None


def test_what_cannot_work_is_found_before_any_work(tmp_path: Path) -> None:
    network = NetworkConfig(name="n", kind="network", network="x4plus")
    with pytest.raises(BadConfig, match="enlarges x4"):
        check_enhancer(network, 2)
    with pytest.raises(BadEnhancer, match="no folder"):
        check_enhancer(FolderConfig(name="f", kind="folder", path=tmp_path / "x", family="generative"), 4)
    with pytest.raises(BadConfig, match="licence"):
        check_enhancer(FolderConfig(name="f", kind="folder", path=tmp_path, family="generative"), 4)
    with pytest.raises(BadEnhancer, match="nothing_here"):
        check_enhancer(CallableConfig(name="c", kind="callable", target="nothing_here:f", family="generative"), 4)
    with pytest.raises(MissingModel, match=r"config\.json: missing"):
        check_enhancer(GeneratorEnhancerConfig(name="g", kind="generator", weights=tmp_path), 4)
    assert entry_of(network).licence == "BSD-3-Clause"


@pytest.mark.parametrize(
    ("version", "config"),
    [
        (
            "_SAMPLER_VERSION",
            GeneratorEnhancerConfig(name="ours", kind="generator", generator=GeneratorConfig(path="miniature")),
        ),
        ("_ARTEFACTS_VERSION", ArtefactsConfig(name="a", kind="artefacts")),
    ],
)
def test_other_code_makes_finished_shards_of_its_kind_stale(
    version: str, config: EnhancerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ingredients(config, [])
    assert before == ingredients(config, [])
    monkeypatch.setattr(enhancers, version, getattr(enhancers, version) + 1)
    assert before != ingredients(config, [])
