"""An evaluation photo that was saved again under another name is not trained on, however many photos there are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oars.config import DataConfig
from oars.imaging import photo_index, photo_table
from oars.imaging.folder import folder_split
from oars.imaging.photo_index import folder_table
from oars.imaging.survey import Survey, survey

SIDE = 64


def picture(seed: int) -> Image.Image:
    blocks = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    return Image.fromarray(blocks).resize((482, 322), Image.Resampling.BICUBIC)


def names(split: str, suffix: str, count: int) -> list[str]:
    numbered = (f"photo{i}{suffix}" for i in range(1000))
    return [name for name in numbered if folder_split(name) == split][:count]


def surveyed(folder: Path) -> Survey:
    return survey(DataConfig(photos=str(folder), crop=SIDE, evaluation_crop=SIDE), 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four photos to train on and two to evaluate on; of the latter three copies whose names are to train on."""
    monkeypatch.setenv("OARS_HOME", str(tmp_path / "home"))
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed, name in enumerate([*names("train", ".png", 4), *names("evaluation", ".png", 2)]):
        picture(seed).save(photos / name)
    again, halved = names("train", "-again.jpg", 2)
    picture(4).save(photos / again, quality=40)
    picture(5).resize((241, 161), Image.Resampling.LANCZOS).save(photos / halved)
    picture(5).save(photos / names("train", "-again.webp", 1)[0])
    return photos


@pytest.mark.parametrize("few", [200, 3])
def test_no_twin_of_an_evaluation_photo_is_trained_on(folder: Path, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(photo_index, "FEW", few)
    found = surveyed(folder)
    assert [photo.name for photo in found.train] == names("train", ".png", 4)
    assert len(found.evaluation) == 2 and "4 to train on, 2 to evaluate on; 3 left out" in found.line
    first, second = names("evaluation", ".png", 2)
    assert [line for line in found.left_out if f"looks like {first}, which is for evaluation" in line] == [
        f"{names('train', '-again.jpg', 1)[0]}: looks like {first}, which is for evaluation"
    ]
    assert sum(f"looks like {second}, which is for evaluation" in line for line in found.left_out) == 2


def test_the_low_quality_photos_hold_no_twin_either(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    picture(5).save(real / "phone.jpg", quality=30)
    picture(9).save(real / "other.jpg", quality=30)
    data = DataConfig.model_validate(
        {"photos": str(folder), "crop": SIDE, "evaluation_crop": SIDE, "low_quality": {"photos": str(real)}}
    )
    assert [photo.name for photo in survey(data, 0).low_quality] == ["other.jpg"]


def test_photos_beyond_the_bound_have_no_fingerprint_which_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(photo_table, "_BATCH", 4)
    monkeypatch.setattr(photo_table, "FINGERPRINTED_PIXELS", 1)
    found = [levels is not None for levels in folder_table(folder).texts("fingerprint")]
    assert found == 4 * [True] + 5 * [False]
    assert len(caplog.messages) == 1 and "only exact copies of evaluation photos are noticed" in caplog.messages[0]
