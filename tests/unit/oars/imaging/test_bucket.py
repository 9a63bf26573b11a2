"""Photos in a bucket are those of the same folder on disk, found once and read by parts."""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from s3_server import s3_server
from tiny import picture

from oars.imaging import photo_index
from oars.imaging.bucket import BadBucket, Blob, decoded, encoded
from oars.imaging.folder import folder_photos
from oars.imaging.photo_table import Found
from oars.imaging.photos import find_photos, photos_by_split


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files, one of them in a folder with a name that a URL escapes, a tar and a table; and what is no photo."""
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "OARS_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "served" / "bucket" / "photos"
    (folder / "a b+c%2é").mkdir(parents=True)
    for number in range(9):
        Image.fromarray(picture(number, 24)).save(folder / f"{number}.png")
    Image.fromarray(picture(9, 24)).save(folder / "a b+c%2é" / "inner.png")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:-40])
    with tarfile.open(folder / "shard.tar", "w") as tar:
        for number in range(4):
            tar.add(folder / f"{number}.png", f"m{number}.png")
    table = {"image": [(folder / f"{number}.png").read_bytes() for number in range(4, 8)]}
    pq.write_table(pa.table(table), folder / "rows.parquet", row_group_size=2)
    return folder


@pytest.fixture
def source(folder: Path) -> Iterator[str]:
    with s3_server(folder.parents[1]) as rest:
        yield f"s3://bucket/photos{rest}"


def test_a_buckets_photos_are_those_of_the_folder(folder: Path, source: str) -> None:
    there, here = photos_by_split(source), photos_by_split(str(folder))
    for split in ("train", "evaluation"):
        assert [photo.name for photo in there[split]] == [photo.name for photo in here[split]]
        for name in ("length", "width", "height"):
            assert there[split].column(name).tolist() == here[split].column(name).tolist()
        for one, other, fault in zip(there[split], here[split], here[split].texts("fault"), strict=True):
            assert fault or one.digest() == other.digest()
    faults = [fault for split in there.values() for fault in split.texts("fault") if fault]
    assert len(faults) == 1 and faults[0].startswith("s3://bucket/photos/cut.png: ") and "\n" not in faults[0]


def test_the_list_is_kept_until_an_object_changes(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_index, "FEW", 3)
    before = find_photos(source, "train")
    with monkeypatch.context() as looking:
        looking.setattr(photo_index, "folder_photos", lambda place: pytest.fail("each photo is looked at again"))
        assert list(find_photos(source, "train")) == list(before)
    os.utime(folder / "a b+c%2é" / "inner.png", (1, 1))  # as an object that is overwritten in its place
    looked = []

    def noted(place: Path | Blob) -> Iterator[Found]:
        looked.append(place)
        return folder_photos(place)

    monkeypatch.setattr(photo_index, "folder_photos", noted)
    assert list(find_photos(source, "train")) == list(before) and looked


def test_an_object_that_is_gone_is_one_line(folder: Path, source: str) -> None:
    photo = next(photo for photo in find_photos(source, "train") if photo.place is None)
    (folder / photo.name).unlink()
    with pytest.raises(ValueError, match=f"s3://bucket/photos/{photo.name}: cannot be read") as caught:
        photo.pixels()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("s3://key:secret@bucket/photos", "credentials belong into the environment"),
        ("s3:///photos", "names no bucket"),
        ("s3://bucket/photos?endpoint_override=127.0.0.1:1&scheme=http&region=x&no_such=1", "cannot be opened"),
    ],
)
def test_a_bad_source_is_one_line_without_its_secrets(source: str, said: str) -> None:
    with pytest.raises(BadBucket, match=said) as caught:
        photos_by_split(source)
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_a_folder_that_is_not_there_is_named(source: str) -> None:
    with pytest.raises(BadBucket, match="s3://bucket/gone: cannot be read"):
        photos_by_split(source.replace("photos", "gone"))


def test_a_blob_comes_back_from_its_text() -> None:
    for path in (Blob.of("gs://bucket/a/b?scheme=http"), Blob.of("s3://bucket"), Path("s3:/bucket/a")):
        assert decoded(encoded(path)) == path
