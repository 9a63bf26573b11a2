"""Author and licence of every named photo, for manifests and for the tables in the pages of `docs/`.

`python -m oars.imaging.credits docs` writes those tables anew from `photos.csv`.
"""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from oars.files import write_text
from oars.imaging.photo_list import ListedPhoto, Source, listed_photos


class Credit(NamedTuple):
    author: str
    licence: str


def credit_of(photo: str) -> Credit:
    """Credit of a photo by its name; a photo of a user's own folder is credited to the folder."""
    for listed in listed_photos():
        if listed.name == photo:
            return Credit(listed.author, listed.licence)
    return Credit("of the folder", "of the folder")


def licence_table() -> str:
    """One row per photo: docs/licences.md."""
    rows = [(f"`{p.name}`", p.package, p.split, p.author, p.licence) for p in listed_photos()]
    return _table(("photo", "package", "split", "author", "licence"), rows)


def source_table() -> str:
    """One row per source, with its packages and the number of photos in each split: docs/data.md."""
    return _table(("`data.photos`", "packages", "train", "held out"), [_source_row(name) for name in get_args(Source)])


def _source_row(source: Source) -> tuple[str, ...]:
    photos: list[ListedPhoto] = [photo for photo in listed_photos() if photo.source == source]
    packages = dict.fromkeys(photo.package for photo in photos)
    splits = Counter(photo.split for photo in photos)
    return f"`{source}`", ", ".join(packages), f"{splits['train']} photos", f"{splits['evaluation']} photos"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


PAGES = {"licences.md": licence_table, "data.md": source_table}


def with_table(page: str, table: str) -> str:
    """`page` with `table` between its two marker lines. Raises ValueError if it has no such lines."""
    found, count = re.subn(r"(?s)(<!-- photos -->\n).*?(<!-- /photos -->)", lambda m: f"{m[1]}{table}\n{m[2]}", page)
    if count != 1:
        raise ValueError(f"expected one pair of photos markers, found {count}")
    return found


def main(docs: Path) -> None:
    for name, table in PAGES.items():
        write_text(docs / name, with_table((docs / name).read_text(), table()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
