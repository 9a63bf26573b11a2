"""Photos below a folder of the user's own: files, and members of shards, streamed in the order of their names' parts.

Split by a stable hash of the name, which for a member begins with its shard's. Hidden files, and folders that file
servers make, hold no photos of the user's.
"""

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from oars.errors import UserError
from oars.imaging.photo import Photo
from oars.imaging.photo_list import Split
from oars.imaging.photo_table import Found
from oars.imaging.shards import SHARD_SUFFIXES, BadShard, members
from oars.names import printable

# Folders that file servers, archives and file systems keep beside a user's own: thumbnails, bins, snapshots.
_NOT_THE_USERS = {"@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "__macosx", "lost+found"}
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}


class NoPhotos(UserError, ValueError):
    """The named source holds no photo of the wanted split."""


def folder_photos(folder: Path) -> Iterator[Found]:
    """Raises NoPhotos for a folder below that cannot be read."""
    for path, is_folder in _walk(folder):
        name = printable(path.relative_to(folder))
        if is_folder:
            continue
        if path.suffix.lower() in SHARD_SUFFIXES:
            yield from _members(name, path)
        elif path.suffix.lower() in SUFFIXES:
            yield Found(Photo(name, path), folder_split(name))


def changes(folder: Path) -> dict[str, int]:
    """Time of the last change, ns, of the folder, of each below and of each shard: what a list of photos rests on."""
    kept = [path for path, is_folder in _walk(folder) if is_folder or path.suffix.lower() in SHARD_SUFFIXES]
    return {os.fspath(path): path.stat().st_mtime_ns for path in [folder, *kept]}


def folder_split(name: str) -> Split:
    """One photo in five is for evaluation (ours), by a hash of its name, so adding photos moves no other photo.

    The name is hashed in Unicode's composed form (NFC): file systems that decompose names leave the split as it is.
    """
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode()).digest()
    return "evaluation" if digest[0] % 5 == 0 else "train"


def _walk(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Files and, before what is in them, folders (True). Links to files are followed, links to folders are not."""
    try:
        with os.scandir(folder) as entries:
            kept = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in entries if _is_the_users(e))
    except OSError as error:
        raise NoPhotos(f"{printable(folder)}: cannot be read: {error.strerror}") from error
    for name, is_folder in kept:
        yield folder / name, is_folder
        if is_folder:
            yield from _walk(folder / name)


def _is_the_users(entry: "os.DirEntry[str]") -> bool:
    hidden = entry.name.startswith(".") or entry.name.casefold() in _NOT_THE_USERS
    return not hidden and (entry.is_file() or entry.is_dir(follow_symlinks=False))


def _members(name: str, shard: Path) -> Iterator[Found]:
    """The pictures of a shard, and after them what is wrong with it."""
    try:
        for member, place in members(shard, SUFFIXES):
            inner = f"{name}/{printable(member)}"
            yield Found(Photo(inner, shard, place=place), folder_split(inner))
    except BadShard as error:
        yield Found(Photo(name, shard), folder_split(name), f"{printable(shard)}: {error}")
