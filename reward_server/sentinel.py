"""Ends the engine's processes when their replica is killed: vLLM's would live on, and keep the device's memory.

The sentinel is a shell that waits for the replica's end of a pipe to close, which the kernel does however it dies.
"""

import subprocess

import psutil

# It outlives the replica by the moment that two signals take.
_SCRIPT = 'read -r _; kill -9 "$@" 2>/dev/null'


class Sentinel:
    """Watches over every child of this process whose title begins with `prefix`, as of now."""

    def __init__(self, prefix: str) -> None:
        children = psutil.Process().children(recursive=True)
        engine = [str(child.pid) for child in children if "".join(child.cmdline()[:1]).startswith(prefix)]
        self._shell = subprocess.Popen(
            ["sh", "-c", _SCRIPT, "oars:sentinel", *engine], stdin=subprocess.PIPE, start_new_session=True
        )

    def dismiss(self) -> None:
        """The engine has ended in order."""
        self._shell.terminate()
        self._shell.wait()
