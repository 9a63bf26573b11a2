"""Addresses of Ray clusters and the temporary folder of a local one: what Ray would take badly, said in one line."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from oars.errors import UserError

_HOST_AND_PORT = re.compile(r"(ray://)?(\[[^]]+\]|[^/:\s]+):\d+")
# A path in a socket's address has at most so many bytes, on Linux.
_SOCKET_BYTES = 107
# The longest that Ray puts below its folder, with a process id of seven digits.
_SOCKET = "/ray/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store"
# Logs and metrics of a short run; objects go there only once the memory for them is full.
_SESSION_MIB = 64


class NoCluster(UserError, RuntimeError):
    """There is no Ray cluster to run on; the message is one line."""


def checked_address(address: str | None) -> str | None:
    """The same. Raises NoCluster for what names no cluster, such as the job server's http address."""
    if address not in (None, "auto") and not _HOST_AND_PORT.fullmatch(address):
        what = " is a job server's" if address.startswith(("http://", "https://")) else ""
        raise NoCluster(
            f"Ray address {address!r}{what}: expected HOST:PORT of the cluster's head (6379 by default) or `auto`; "
            "see --address and RAY_ADDRESS"
        )
    return address


def check_temporary_folder(environment: Mapping[str, str]) -> None:
    """Raises NoCluster if the sockets of a local cluster would have paths that no socket takes, or if the disk has no
    room for its session."""
    given = [name for name in ("RAY_TMPDIR", "TMPDIR") if environment.get(name)]  # in the order in which Ray looks
    name, folder = (given[0], environment[given[0]]) if given else ("RAY_TMPDIR", "/tmp")
    room = _SOCKET_BYTES - len(_SOCKET)
    if len(folder.encode(errors="surrogateescape")) > room:
        raise NoCluster(
            f"{name}: {folder!r} is too long for Ray's sockets below it, at most {room} bytes; "
            "RAY_TMPDIR=/tmp gives Ray another folder"
        )
    if (free := _free_mib(Path(folder))) < _SESSION_MIB:
        raise NoCluster(
            f"{name}: {folder!r} has {free} MiB free, too little for Ray's session ({_SESSION_MIB} MiB); make room, or "
            "set RAY_TMPDIR to another folder"
        )


def _free_mib(folder: Path) -> int:
    """Where the folder is, or will be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free // 2**20
