"""Photos below a folder of the user's own, on disk or in a bucket: files, and members of shards, streamed in the order
of their names' parts.

Split by a stable hash of the name, which for a member begins with its shard's. Hidden files, and folders that file
servers make, hold no photos of the user's.
"""

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from oars.errors import UserError
from oars.imaging.bucket import Blob, encoded
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


def folder_photos(folder: Path | Blob) -> Iterator[Found]:
    """Raises NoPhotos for a folder below that cannot be read, BadBucket."""
    for path, parts, is_folder in _walk(folder):
        name = printable("/".join(parts))
        if is_folder:
            continue
        if path.suffix.lower() in SHARD_SUFFIXES:
            yield from _members(name, path)
        elif path.suffix.lower() in SUFFIXES:
            yield Found(Photo(name, path), folder_split(name))


def changes(folder: Path | Blob) -> dict[str, int]:
    """The state of the folder, of each below and, on disk, of each shard: what a list of photos rests on. On disk it is
    the time of the last change, ns; in a bucket a folder's changes with any object right below it."""
    below = [path for path, _, is_folder in _walk(folder) if is_folder or _is_shard_on_disk(path)]
    return {encoded(path): state(path) for path in [folder, *below]}


def _is_shard_on_disk(path: Path | Blob) -> bool:
    return isinstance(path, Path) and path.suffix.lower() in SHARD_SUFFIXES


def state(path: Path | Blob) -> int:
    """Raises OSError."""
    return path.state() if isinstance(path, Blob) else path.stat().st_mtime_ns


def folder_split(name: str) -> Split:
    """One photo in five is for evaluation (ours), by a hash of its name, so adding photos moves no other photo.

    The name is hashed in Unicode's composed form (NFC): file systems that decompose names leave the split as it is.
    """
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode()).digest()
    return "evaluation" if digest[0] % 5 == 0 else "train"


def _walk(folder: Path | Blob, above: tuple[str, ...] = ()) -> Iterator[tuple[Path | Blob, tuple[str, ...], bool]]:
    """Files and, before what is in them, folders (True), with their names below the first folder. Links to files are
    followed, links to folders are not."""
    for name, is_folder in _entries(folder):
        path, parts = folder / name, (*above, name)
        yield path, parts, is_folder
        if is_folder:
            yield from _walk(path, parts)


def _entries(folder: Path | Blob) -> list[tuple[str, bool]]:
    """The user's own names right below, in their order, and whether each is a folder. Raises NoPhotos, BadBucket."""
    if isinstance(folder, Blob):
        return [(name, is_folder) for name, is_folder, _ in folder.entries() if _is_the_users(name)]
    try:
        with os.scandir(folder) as entries:
            return sorted((e.name, e.is_dir(follow_symlinks=False)) for e in entries if _is_usable(e))
    except OSError as error:
        raise NoPhotos(f"{printable(folder)}: cannot be read: {error.strerror}") from error


def _is_usable(entry: "os.DirEntry[str]") -> bool:
    return _is_the_users(entry.name) and (entry.is_file() or entry.is_dir(follow_symlinks=False))


def _is_the_users(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in _NOT_THE_USERS


def _members(name: str, shard: Path | Blob) -> Iterator[Found]:
    """The pictures of a shard, and after them what is wrong with it."""
    try:
        for member, place in members(shard, SUFFIXES):
            inner = f"{name}/{printable(member)}"
            yield Found(Photo(inner, shard, place=place), folder_split(inner))
    except BadShard as error:
        yield Found(Photo(name, shard), folder_split(name), f"{printable(str(shard))}: {error}")
