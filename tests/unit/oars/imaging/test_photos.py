"""The photo list: one split a photo, and every photo has a credit."""

from oars.imaging.credits import CREDITS, credit_of
from oars.imaging.photos import BACKGROUND_PHOTOS, PACKAGE_PHOTOS, WALLPAPER_PHOTOS, NoPhotos, Photo, find_photos

SOURCES = ("packages", "wallpapers", "backgrounds")


def installed(split: str) -> list[Photo]:
    photos = []
    for source in SOURCES:
        try:
            photos += find_photos(source, split)  # type: ignore[arg-type]
        except NoPhotos:
            continue  # its Debian package is not installed
    return photos


def test_every_named_photo_is_credited_and_every_credit_is_of_a_photo() -> None:
    assert {*PACKAGE_PHOTOS, *WALLPAPER_PHOTOS, *BACKGROUND_PHOTOS} == set(CREDITS)
    assert credit_of("my/own.jpg").licence == "of the folder"


def test_no_photo_is_in_both_splits_under_any_name() -> None:
    train, evaluation = installed("train"), installed("evaluation")
    assert train and evaluation
    assert not {photo.path for photo in train} & {photo.path for photo in evaluation}
    assert len({photo.name for photo in [*train, *evaluation]}) == len(train) + len(evaluation)
