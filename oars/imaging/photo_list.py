"""The named photos, one row each in `photos.csv`: source, package, split, reduction, author and licence.

The order of the rows is part of the data: seeds draw photos by their position. Only photographs are listed that are not
flat, and in `backgrounds` none of a person. `reduction` shrinks a photo to pixels that are sharp, as seen (ours).
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import PositiveInt, TypeAdapter

Split = Literal["train", "evaluation"]
Source = Literal["packages", "wallpapers", "backgrounds"]

PHOTO_LIST = Path(__file__).with_name("photos.csv")


@dataclass(frozen=True)
class ListedPhoto:
    """One row: `name` is the path below the folder of its source; `package` installs the file."""

    name: str
    source: Source
    package: str
    split: Split
    reduction: PositiveInt
    author: str
    licence: str


@cache
def listed_photos() -> tuple[ListedPhoto, ...]:
    """All rows, in the order of the file. Raises pydantic's ValidationError if a value is none of its column's."""
    with PHOTO_LIST.open(encoding="utf-8", newline="") as stream:
        return TypeAdapter(tuple[ListedPhoto, ...]).validate_python(list(csv.DictReader(stream)))
