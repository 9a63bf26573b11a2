"""The processes that this one started, whatever became of those between.

Known by descent, never by a mark in the environment: a process that gives itself a title (`setproctitle`: our driver,
Ray's workers, vLLM's engine) overwrites its environment as /proc shows it, wholly or in part, as the order of its
variables has it.
"""

import ctypes

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make this process the subreaper: the kernel gives it the orphans among its descendants, instead of init."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants(title: str = "") -> list[psutil.Process]:
    """Those that run with this in their title; zombies have ended, even if nobody reaped them."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if title in "".join(process.cmdline()[:1]) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue  # ended meanwhile
    return found
