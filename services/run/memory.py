"""Peak memory of the run's processes on the driver's machine, sampled in a thread."""

import threading

import psutil

# Reading the maps of a dozen processes costs tens of milliseconds; peaks of a run last longer than this.
_EVERY_S = 5.0
_GIB = 1024**3


class PeakMemory:
    """Greatest sum of PSS over this node's Ray processes and everything they started."""

    def __init__(self) -> None:
        self.peak_gib = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=_EVERY_S)

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self.peak_gib = max(self.peak_gib, _session_bytes() / _GIB)
            self._stopped.wait(_EVERY_S)


def _session_bytes() -> int:
    me = psutil.Process()
    raylet = next((parent for parent in me.parents() if parent.name() == "raylet"), me)
    # The head's other processes are siblings of its raylet, unless it was started in the background.
    parent = raylet.parent()
    root = parent if parent is not None and parent.pid != 1 and raylet is not me else raylet
    return sum(_bytes(process) for process in {me, root, *root.children(recursive=True)})


def _bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        # It ended between listing and reading, or belongs to another user.
        return 0
