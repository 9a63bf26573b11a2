"""A file system that is full, or fails: how such an error, whoever met it, becomes one line naming folder and cause."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE}
_SQLITE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
# What libraries say that turn the system's error into a text of their own: safetensors, Ray, torch.
_TEXTS = (
    os.strerror(errno.ENOSPC),
    os.strerror(errno.EDQUOT),
    "PytorchStreamWriter failed writing file",
    "enforce fail at inline_container",
)
# What Ray says if neither its object store nor the disk that it spills objects to has room.
_SPILLING = "disk's utilization is over capacity"


def storage_fault(error: BaseException, directory: Path) -> str | None:
    """One line if the error, or one that led to it, is the file system's; `directory` is where, if it does not say."""
    for each in _all(error):
        if isinstance(each, OSError) and each.errno in _ERRORS:
            return f"{each.filename or directory}: {os.strerror(each.errno)}"
        if isinstance(each, sqlite3.OperationalError) and each.sqlite_errorcode & 0xFF in _SQLITE:
            return f"{directory}: the ledger cannot be written: {each}"
        if _SPILLING in str(each):
            return "Ray's temporary folder (/tmp/ray, unless RAY_TMPDIR or --temp-dir says otherwise): its disk is full"
        if any(text in str(each) for text in _TEXTS):
            return f"{directory}: {os.strerror(errno.ENOSPC)}"
    return None


def _all(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, also inside groups."""
    yield error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for each in (*inner, error.__cause__, error.__context__ if error.__cause__ is None else None):
        if each is not None:
            yield from _all(each)
