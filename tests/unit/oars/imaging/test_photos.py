"""Photos are found by split: no photo is in both, and a user's photo keeps its split on every file system."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from oars.imaging.folder import folder_split
from oars.imaging.photo import Photo
from oars.imaging.photo_list import Split
from oars.imaging.photos import NoPhotos, find_photos

SOURCES = ("packages", "wallpapers", "backgrounds")


def installed(split: Split) -> list[Photo]:
    photos: list[Photo] = []
    for source in SOURCES:
        try:
            photos += find_photos(source, split)
        except NoPhotos:
            continue  # its Debian package is not installed
    return photos


def test_no_photo_is_in_both_splits_under_any_name() -> None:
    train, evaluation = installed("train"), installed("evaluation")
    assert train and evaluation
    assert not {photo.path for photo in train} & {photo.path for photo in evaluation}
    assert len({photo.name for photo in [*train, *evaluation]}) == len(train) + len(evaluation)


@given(st.text(st.characters(categories=("L", "M", "N")), min_size=1))
def test_composed_and_decomposed_names_are_in_one_split(name: str) -> None:
    assert folder_split(unicodedata.normalize("NFC", name)) == folder_split(unicodedata.normalize("NFD", name))


def test_recorded_splits_of_names_stay() -> None:
    recorded = {"a.png": "train", "b.png": "evaluation", "my/own.jpg": "train", "Zürich.jpg": "train"}
    assert {name: folder_split(name) for name in recorded} == recorded
