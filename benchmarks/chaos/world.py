"""A machine of our own for the attack, in namespaces that nobody else sees: a small disk that can be full, and a second
node of the cluster behind a link that can be cut. Linux with user namespaces, `ip` and `nsenter`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import ray

from services.launch.cluster import ROOT
from services.launch.local_head import free_ports

HERE, FAR = "10.77.0.1", "10.77.0.2"
LABEL = "chaos"
"""Of the nodes: `here` and `far`."""
_DISK = "4g"
_STORE_BYTES = 2**29
_START_S = 300.0
_ASK_EVERY_S = 1.0
_END_S = 60.0


def enter(arguments: Sequence[str]) -> None:
    """Become `python -m benchmarks.chaos --inside ...` in new namespaces. Raises OSError without `unshare`."""
    alone = ["unshare", "--user", "--map-root-user", "--mount", "--net"]
    os.execvp("unshare", [*alone, sys.executable, "-m", "benchmarks.chaos", "--inside", *arguments])


class SmallDisk:
    """A tmpfs over a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={_DISK}", "none", str(folder))

    def fill(self) -> None:
        """Leave no room: the file system becomes as large as what it holds."""
        while subprocess.run(self._resized(f"{self._used_kib()}k"), check=False).returncode:
            time.sleep(0.01)  # something was written meanwhile

    def free(self) -> None:
        subprocess.run(self._resized(_DISK), check=True)

    def close(self) -> None:
        """Lazily: a log of the cluster may be open."""
        _run("umount", "--lazy", str(self._folder))

    def _used_kib(self) -> int:
        facts = os.statvfs(self._folder)
        return (facts.f_blocks - facts.f_bfree) * facts.f_frsize // 1024

    def _resized(self, size: str) -> list[str]:
        return ["mount", "-o", f"remount,size={size}", str(self._folder)]


class Link:
    """A cable to another network namespace, which lives as long as a process that sleeps in it."""

    def __init__(self) -> None:
        self._sleeper = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self._name = Path(f"/proc/{self._sleeper.pid}/ns/net")
        while os.readlink(self._name) == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", "here", "type", "veth", "peer", "name", "far", "netns", str(self._sleeper.pid))
        _run("ip", "address", "add", f"{HERE}/24", "dev", "here")
        _run(*self.beyond("ip", "address", "add", f"{FAR}/24", "dev", "far"))
        for command in (["ip", "link", "set", "here", "up"], self.beyond("ip", "link", "set", "far", "up")):
            _run(*command)
        _run(*self.beyond("ip", "link", "set", "lo", "up"))

    def beyond(self, *command: str) -> list[str]:
        """The command on the other side."""
        return ["nsenter", f"--net={self._name}", "--", *command]

    def cut(self) -> None:
        _run("ip", "link", "set", "here", "down")

    def mend(self) -> None:
        _run("ip", "link", "set", "here", "up")

    def close(self) -> None:
        self._sleeper.kill()
        self._sleeper.wait()


@dataclass
class FarNode:
    """The cluster's second node."""

    link: Link
    address: str
    cpus: int
    log: Path
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Another one, if there was one before; it joins some seconds later."""
        options = [f"--address={self.address}", f"--node-ip-address={FAR}", f"--num-cpus={self.cpus}"]
        self._process = _ray_start(self.log, "far", *options, within=self.link.beyond())

    def kill(self) -> None:
        """kill -9 of its raylet, its object store and every worker."""
        assert self._process is not None
        first = psutil.Process(self._process.pid)
        for process in [*first.children(recursive=True), first]:
            process.kill()
        self._process.wait()

    @property
    def alive(self) -> bool:
        """True if the cluster counts it as a member."""
        return any(node["Alive"] and node["NodeManagerAddress"] == FAR for node in ray.nodes())

    def stop(self) -> None:
        """In order."""
        if self._process and self._process.poll() is None:
            _stop(self._process)


@dataclass(frozen=True)
class World:
    """Everything around the run that a fault can strike."""

    disk: SmallDisk
    """Where the run is written."""
    temporary: SmallDisk
    """Ray's own folder."""
    link: Link
    far: FarNode
    address: str


@contextmanager
def world(folder: Path, cpus_here: int, cpus_far: int) -> Iterator[World]:
    """A head here and a node beyond the link; `folder` is on the small disk."""
    os.environ |= {"RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(ROOT)}
    with ExitStack() as after:
        disk = SmallDisk(folder)
        after.callback(disk.close)
        temporary = SmallDisk(folder / "ray")
        after.callback(temporary.close)
        link = Link()
        after.callback(link.close)
        address = f"{HERE}:{free_ports(1)[0]}"
        options = ["--head", f"--node-ip-address={HERE}", f"--port={address.split(':')[1]}", f"--num-cpus={cpus_here}"]
        options += [f"--temp-dir={folder / 'ray'}", "--include-dashboard=false"]
        head = _ray_start(folder / "head.log", "here", *options)
        after.callback(_stop, head)
        _await_head(address)
        os.environ["RAY_ADDRESS"] = address
        far = FarNode(link, address, cpus_far, folder / "far.log")
        after.callback(far.stop)
        far.start()
        yield World(disk, temporary, link, far, address)


def _await_head(address: str) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_ASK_EVERY_S)
        else:
            ray.shutdown()
            return


def _ray_start(log: Path, label: str, *options: str, within: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
    command = [*within, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
    command += [f"--object-store-memory={_STORE_BYTES}", "--labels", f"{LABEL}={label}", *options]
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(_END_S)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
