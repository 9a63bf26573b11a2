"""A folder of many photos, and of shards, is looked at once; what has changed since is seen where it can be."""

import os
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from oars.config import DataConfig
from oars.imaging import photo_index
from oars.imaging.image_io import read_image
from oars.imaging.photo_index import folder_table, index_file
from oars.imaging.survey import Survey, survey

SIDE = 64
LONG_AGO = 10**9


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(photo_index, "FEW", 3)
    monkeypatch.setenv("OARS_HOME", str(tmp_path / "home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty photos, in two folders."""
    for number in range(20):
        path = tmp_path / "photos" / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


def age(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (LONG_AGO, LONG_AGO))


def surveyed(folder: Path, **changes: int) -> Survey:
    return survey(DataConfig(photos=str(folder), crop=SIDE, evaluation_crop=SIDE, **changes), 0)


def to_tar(folder: Path, shard: Path) -> None:
    with tarfile.open(shard, "w") as tar:
        for path in sorted(folder.rglob("*.png")):
            tar.add(path, path.name)
            tar.add(Path(__file__), f"{path.stem}.json")  # as WebDataset has beside a picture


def to_table(folder: Path, shard: Path) -> None:
    rows = [{"bytes": path.read_bytes(), "path": path.name} for path in sorted(folder.rglob("*.png"))]
    pq.write_table(pa.table({"label": list(range(20)), "image": rows}), shard, row_group_size=7)


@pytest.mark.parametrize(("suffix", "write"), [(".tar", to_tar), (".parquet", to_table)])
def test_members_of_a_shard_are_photos_in_any_order(folder: Path, tmp_path: Path, suffix: str, write) -> None:
    (tmp_path / "shards").mkdir()
    write(folder, tmp_path / "shards" / f"a{suffix}")
    photos, files = folder_table(tmp_path / "shards"), sorted(folder.rglob("*.png"))
    assert len(photos) == 20 and len({photo.name for photo in photos}) == 20
    for number in np.random.default_rng(0).permutation(20):
        np.testing.assert_array_equal(photos[number].pixels(), read_image(files[number]))


def test_the_list_is_kept_until_a_folder_changes(folder: Path) -> None:
    age(folder)
    first = surveyed(folder)
    assert index_file(folder).exists() and first.left_out == []
    (folder / "1" / "3.png").write_bytes(b"no more")
    age(folder)
    assert surveyed(folder).left_out == []
    (folder / "1" / "5.png").rename(folder / "1" / "6.png")
    assert len(surveyed(folder).left_out) == 1


def test_a_list_of_what_has_just_changed_is_not_trusted(folder: Path) -> None:
    surveyed(folder)
    (folder / "0" / "2.png").write_bytes(b"no more")
    assert len(surveyed(folder).left_out) == 1


def test_a_damaged_list_is_made_again(folder: Path) -> None:
    age(folder)
    names = [photo.name for photo in surveyed(folder).train]
    index_file(folder).write_bytes(b"ARROW1")
    assert [photo.name for photo in surveyed(folder).train] == names


def test_a_list_without_fingerprints_is_made_again(folder: Path) -> None:
    age(folder)
    names = [photo.name for photo in surveyed(folder).train]
    older = pa.ipc.open_file(index_file(folder)).read_all().drop_columns(["fingerprint"])
    with pa.ipc.new_file(index_file(folder), older.schema) as writer:
        writer.write_table(older)
    assert [photo.name for photo in surveyed(folder).train] == names
    assert "fingerprint" in pa.ipc.open_file(index_file(folder)).schema.names


@pytest.mark.parametrize(("suffix", "write"), [(".tar", to_tar), (".parquet", to_table)])
def test_a_shard_that_was_cut_short_is_one_line(folder: Path, tmp_path: Path, suffix: str, write) -> None:
    shard = folder / f"a{suffix}"
    write(folder, shard)
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    found = surveyed(folder)
    assert [line for line in found.left_out if str(shard) in line and "same photo" not in line]
    assert len(found.train) >= 10


def test_evaluation_photos_are_drawn_by_the_seed_and_opened_again(folder: Path) -> None:
    age(folder)
    few = surveyed(folder, evaluation_crops=2)
    assert len(few.evaluation) == 2 < few.evaluation_split and "drawn of" in few.line
    Path(str(few.evaluation[0].path)).write_bytes(b"no more")
    age(folder)
    other = surveyed(folder, evaluation_crops=2)
    assert len(other.evaluation) == 2 and few.evaluation[0] not in other.evaluation
    assert len(other.left_out) == 1
