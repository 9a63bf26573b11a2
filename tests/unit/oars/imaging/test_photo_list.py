"""The photo list: every row is complete and unique, and the pages of docs/ show the list as it is."""

from pathlib import Path

import pytest

from oars.imaging.credits import PAGES, credit_of, with_table
from oars.imaging.photo_list import listed_photos

DOCS = Path(__file__).parents[4] / "docs"


def test_every_listed_photo_has_a_credit_and_is_listed_once() -> None:
    photos = listed_photos()
    assert all(credit_of(photo.name) == (photo.author, photo.licence) for photo in photos)
    assert all(photo.package and photo.author and photo.licence for photo in photos)
    assert len({photo.name for photo in photos}) == len(photos)
    assert credit_of("my/own.jpg").licence == "of the folder"


@pytest.mark.parametrize("name", PAGES)
def test_pages_show_the_list(name: str) -> None:
    page = (DOCS / name).read_text()
    assert page == with_table(page, PAGES[name]()), "run python -m oars.imaging.credits docs"


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="found 0"):
        with_table("no markers", "| a |")
