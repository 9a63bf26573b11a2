"""What a folder of photos is good for is known from headers and last bytes, and said with names and counts."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oars.config import DataConfig
from oars.imaging.crops import evaluation_pairs, low_quality_input, training_pair
from oars.imaging.folder import folder_split
from oars.imaging.photos import NoPhotos, photos_by_split
from oars.imaging.survey import survey

SIDE = 64


def save(path: Path, seed: int = 0, side: int = 2 * SIDE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)).save(path)
    return path


def name_for(split: str, suffix: str = ".jpg", start: int = 0) -> str:
    return next(name for i in range(start, 1000) if folder_split(name := f"photo{i}{suffix}") == split)


def data(folder: Path, **changes: object) -> DataConfig:
    defaults = {"photos": str(folder), "crop": SIDE, "evaluation_crop": SIDE, "evaluation_crops": 2}
    return DataConfig.model_validate(defaults | changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One photo of each split."""
    for seed, split in enumerate(("train", "evaluation")):
        save(tmp_path / name_for(split), seed)
    return tmp_path


def test_hidden_files_thumbnails_and_directories_are_no_photos(folder: Path) -> None:
    (folder / "._DSC.jpg").write_bytes(b"\0\5\x16\7")
    save(folder / "@eaDir" / "DSC.jpg" / "SYNOPHOTO_THUMB_M.jpg")
    save(folder / ".cache" / "a.png")
    save(folder / "directory.jpg" / "inner.png")
    save(folder / "#1 @home.png")
    names = {photo.name for photos in photos_by_split(str(folder)).values() for photo in photos}
    assert names == {name_for("train"), name_for("evaluation"), "directory.jpg/inner.png", "#1 @home.png"}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp"])
def test_what_was_cut_short_or_is_small_is_named_and_left_out(folder: Path, suffix: str) -> None:
    cut = save(folder / name_for("train", suffix, start=100), seed=5)
    whole = survey(data(folder), 0)
    assert whole.left_out == [] and cut.name in {photo.name for photo in whole.train}
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    save(folder / name_for("train", ".png", start=200), side=SIDE // 2)
    found = survey(data(folder), 0)
    assert [photo.name for photo in found.train] == [name_for("train")]
    assert len(found.left_out) == 2 and any(cut.name in line for line in found.left_out)
    assert f"holds no {SIDE} px crop" in found.line and "1 to train on, 1 to evaluate on; 2 left out" in found.line


@pytest.mark.parametrize(("split", "other"), [("train", "evaluation"), ("evaluation", "train")])
def test_a_split_without_photos_is_one_line(folder: Path, split: str, other: str) -> None:
    (folder / name_for(split)).unlink()
    with pytest.raises(NoPhotos, match=f"no {split} photos in .*1 to .* a hash of each file's name"):
        survey(data(folder), 0)


def test_evaluation_photos_smaller_than_their_crop_are_said_at_once(folder: Path) -> None:
    with pytest.raises(NoPhotos, match=r"no evaluation photos .* holds no 256 px crop"):
        survey(data(folder, evaluation_crop=256), 0)


def test_an_evaluation_photo_under_another_name_is_not_trained_on(folder: Path) -> None:
    held_out = folder / name_for("evaluation")
    copy = Path(shutil.copy(held_out, folder / name_for("train", start=100)))
    converted = next(
        held_out.with_suffix(s)
        for s in (".png", ".JPEG", ".webp", ".tif", ".jpeg", ".bmp")
        if folder_split(held_out.with_suffix(s).name) == "train"
    )
    save(converted, seed=7)
    found = survey(data(folder), 0)
    assert [photo.name for photo in found.train] == [name_for("train")]
    assert all(
        any(path.name in line and held_out.name in line for line in found.left_out) for path in (copy, converted)
    )


def test_a_photo_that_goes_bad_later_costs_draws_not_the_run(folder: Path) -> None:
    bad = save(folder / name_for("train", start=100), seed=3)
    train = survey(data(folder), 0).train
    bad.write_bytes(b"no more")
    drawn = [training_pair(train, data(folder), 0, index).image_id for index in range(12)]
    drawn += [low_quality_input(train, data(folder), 0, index).image_id for index in range(12)]
    assert {name.split("@")[0] for name in drawn} == {name_for("train")}


def test_an_evaluation_photo_that_cannot_be_decoded_is_left_out(folder: Path) -> None:
    """Its header and its end are whole, so that the survey passes it."""
    bad = save(folder / name_for("evaluation", ".png", start=300), seed=4)
    content = bytearray(bad.read_bytes())
    content[200:2000] = bytes(1800)
    bad.write_bytes(content)
    assert {pair.image_id.split("@")[0] for pair in evaluation_pairs(data(folder), 0)} == {name_for("evaluation")}
    (folder / name_for("evaluation")).unlink()
    with pytest.raises(NoPhotos, match="none of the 1 evaluation photos"):
        evaluation_pairs(data(folder), 0)


@pytest.mark.parametrize(
    "raw", [b"\x83t\x83H.png", b"a\nb.png", b"a,<b>.png", b"-rf.png", "\N{CAMERA}.png".encode(), 251 * b"a" + b".png"]
)
def test_every_name_that_a_file_can_have_is_usable_text(folder: Path, raw: bytes) -> None:
    os.rename(os.fsencode(save(folder / "x.png")), os.path.join(os.fsencode(folder), raw))
    photos = [photo for split in photos_by_split(str(folder)).values() for photo in split]
    [odd] = [photo for photo in photos if photo.name not in (name_for("train"), name_for("evaluation"))]
    assert odd.pixels().shape == (2 * SIDE, 2 * SIDE, 3)
    assert odd.name.encode().decode() == odd.name and "\n" not in odd.name


def test_a_folder_that_cannot_be_one_is_one_line() -> None:
    for source in ("/nowhere/at/all", 300 * "x"):
        with pytest.raises(NoPhotos, match="no photos in"):
            photos_by_split(source)


def test_held_out_crops_come_from_what_can_be_used(folder: Path) -> None:
    save(folder / name_for("evaluation", ".png", start=300), side=SIDE // 2)
    assert {pair.image_id.split("@")[0] for pair in evaluation_pairs(data(folder), 0)} == {name_for("evaluation")}


def test_low_quality_photos_are_counted_and_none_of_them_is_an_evaluation_photo(folder: Path, tmp_path: Path) -> None:
    real = tmp_path.parent / f"{tmp_path.name}-real"
    save(real / "phone.jpg", seed=9, side=SIDE)
    shutil.copy(folder / name_for("evaluation"), real / "copy.jpg")
    settings = data(folder, low_quality={"photos": str(real)})
    found = survey(settings, 0)
    assert [photo.name for photo in found.low_quality] == ["phone.jpg"]
    assert "1 of low quality" in found.line and len(found.left_out) == 1
    (real / "phone.jpg").unlink()
    with pytest.raises(NoPhotos, match=r"data\.low_quality\.photos: none in .*the same photo as"):
        survey(settings, 0)
    with pytest.raises(NoPhotos, match=r"data\.low_quality\.photos: no photos in '/nowhere'"):
        survey(data(folder, low_quality={"photos": "/nowhere"}), 0)
