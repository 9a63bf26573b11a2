"""Models by short texts: what each makes, and what its identity depends on."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oars.compass.data.enhancers import BadEnhancer
from oars.config.generator import GeneratorConfig, SamplerConfig
from oars.evaluation.contestants import BadContestant, Sampling, contestant
from oars.miniature import miniature_path
from oars.model_files import MissingModel

SAMPLING = Sampling(GeneratorConfig(), SamplerConfig(tile=96, overlap=32, inference_steps=2), 4, 0)
LR = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def test_a_filter_a_folder_and_a_function_enlarge(tmp_path: Path) -> None:
    bicubic = contestant("bicubic", "bicubic", SAMPLING).load()("set", "a", LR)
    expected = Image.fromarray(LR).resize((64, 48), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(bicubic, np.asarray(expected))
    (tmp_path / "set").mkdir()
    Image.fromarray(bicubic).save(tmp_path / "set" / "a.png")
    Image.fromarray(255 - bicubic).save(tmp_path / "a.png")
    load = contestant("theirs", f"folder:{tmp_path}", SAMPLING).load()
    np.testing.assert_array_equal(load("set", "a", LR), bicubic)
    np.testing.assert_array_equal(load("another set", "a", LR), 255 - bicubic)


def test_a_function_of_a_module_enlarges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_method.py").write_text(
        "import numpy as np\n\n"
        "def enlarge(lr, scale, seed):\n    return np.kron(lr, np.ones((scale, scale, 1), lr.dtype))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    model = contestant("own", "python:own_method:enlarge", SAMPLING)
    np.testing.assert_array_equal(model.load()("set", "a", LR)[::4, ::4], LR)


def test_a_folders_identity_follows_its_pictures(tmp_path: Path) -> None:
    Image.fromarray(LR).save(tmp_path / "a.png")
    model = contestant("theirs", f"folder:{tmp_path}", SAMPLING)
    before = model.identity("set", "a")
    assert model.identity("set", "a") == before
    Image.fromarray(255 - LR).save(tmp_path / "a.png")
    assert model.identity("set", "a") != before


def test_a_generators_identity_follows_how_it_samples() -> None:
    other = Sampling(GeneratorConfig(), SamplerConfig(tile=96, overlap=32, inference_steps=3), 4, 0)
    same, different = (contestant("base", "base", sampling).identity("set", "a") for sampling in (SAMPLING, other))
    assert same == contestant("else", "base", SAMPLING).identity("another", "b")
    assert same != different


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadContestant, match=r"model 'bicubik': expected base, aligned, bicubic, .*folder:DIR"):
        contestant("bicubik", "bicubik", SAMPLING)
    with pytest.raises(BadContestant, match="comes with no LoRA; name a run:ID"):
        alone = shutil.copytree(miniature_path("generator"), tmp_path / "alone")
        contestant("ours", "aligned", replace(SAMPLING, generator=GeneratorConfig(path=str(alone))))
    with pytest.raises(BadEnhancer, match="no folder"):
        contestant("theirs", f"folder:{tmp_path / 'nowhere'}", SAMPLING)
    with pytest.raises(MissingModel):
        contestant("other", f"generator:{tmp_path}", SAMPLING)
