"""A Ray head of our own on this machine: on free ports, beside any other cluster, gone when this process is gone."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from itertools import islice
from pathlib import Path

# Large enough for the groups in flight of any profile that fits one machine; touched pages only are really used.
_OBJECT_STORE_BYTES = 2**30
_STOP_WAIT_S = 30.0
_EPITAPH_LINES = 4  # in which `ray start --block` names the process that died first
_PR_SET_PDEATHSIG = 1
# Between Ray's worker ports (10002 to 19999) and what the kernel gives to whoever asks for any port (from 32768 on): a
# port found free there is not taken by another process in the seconds until Ray binds it.
_PORT_RANGE = range(20_000, 32_768)
_PORTS = ("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port")


class LocalHead:
    """`ray start --head --block` as a child. Ray ends its own processes with that child, also if it is killed (once in
    three times two idle workers outlived a kill -9 of it); the kernel ends the child with us, in order."""

    def __init__(self, cpus: int, environment: dict[str, str]) -> None:
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        self.address = f"127.0.0.1:{ports['port']}"
        self.dashboard = f"http://127.0.0.1:{ports['dashboard-port']}"
        self._stopping = False
        self._log = Path(tempfile.mkstemp(prefix="oars-ray-head-", suffix=".log")[1])
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
        command += ["--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", "--include-dashboard=true"]
        command += [f"--num-cpus={cpus}", f"--object-store-memory={_OBJECT_STORE_BYTES}", "--disable-usage-stats"]
        command += [f"--{name}={port}" for name, port in ports.items()]
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C must reach the job before it reaches the cluster.
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True, preexec_fn=_die_with_parent
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def last_words(self, lines: int = 1) -> str:
        """The last lines that the child printed."""
        said = self._log.read_text(errors="replace").strip().splitlines()
        return "\n".join(said[-lines:]) or "no output"

    def watch(self) -> None:
        """Report if the cluster ends by itself: Ray then ends its driver without a reason."""
        threading.Thread(target=self._say_end, daemon=True).start()

    def _say_end(self) -> None:
        code = self._process.wait()
        if not self._stopping:
            words = self.last_words(_EPITAPH_LINES)
            print(f"error: the local Ray cluster ended (exit code {code}):\n{words}", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Orderly, then not."""
        self._stopping = True
        self._process.terminate()
        try:
            self._process.wait(_STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.unlink(missing_ok=True)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def free_ports(count: int) -> list[int]:
    """Distinct ports that are free now."""
    shuffled = random.SystemRandom().sample(_PORT_RANGE, len(_PORT_RANGE))
    return list(islice(filter(_is_free, shuffled), count))


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
