"""Memory that this process may still take: the least of what the machine, its container and its own limit leave; and
amounts of memory for people."""

import resource
from pathlib import Path

import psutil

from oars.errors import UserError

_GIB = 2**30
# Version 2 of control groups, as a container sees its own.
_CGROUP = Path("/sys/fs/cgroup")
# Python, numpy and what else a command needs beside its pictures.
_SMALL = 256 * 2**20


class NotEnoughMemory(UserError, MemoryError):
    """The work does not fit into memory; the message is one line that says how much it takes."""


def check_memory(what: str, needed: int) -> None:
    """Raises NotEnoughMemory if `needed` bytes are more than are free; less than 256 MiB always passes."""
    if needed > _SMALL and needed > (free := available_bytes()):
        raise NotEnoughMemory(f"{what} takes about {needed / _GIB:.1f} GiB of memory, {free / _GIB:.1f} GiB are free")


def readable_bytes(count: float) -> str:
    """In GB of 1e9 bytes; below one, in MB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def available_bytes() -> int:
    """Bytes that can still be allocated. A container's page cache counts as taken, so this errs on the low side."""
    return max(0, min([psutil.virtual_memory().available, *_address_space(), *_container()]))


def _address_space() -> list[int]:
    """Bytes that `ulimit -v` leaves, if it is set."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return [] if limit == resource.RLIM_INFINITY else [limit - psutil.Process().memory_info().vms]


def _container(root: Path = _CGROUP) -> list[int]:
    """Bytes that the container's limit leaves, if it has one."""
    try:
        limit, used = ((root / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return []
    return [int(limit) - int(used)] if limit.isdigit() else []
