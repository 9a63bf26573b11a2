"""However a replica dies, its engine's processes go with it; those of others stay."""

import os
import signal
import subprocess
import sys

import psutil

_REPLICA = """
import subprocess, time, psutil
from reward_server.sentinel import Sentinel
engine, other = (subprocess.Popen([title, "600"], executable="/bin/sleep") for title in ("oars:engine-x", "other"))
while not psutil.Process(engine.pid).cmdline():
    pass  # Popen waits for exec; the kernel shows the title a moment later, where an engine has long been up
sentinel = Sentinel("oars:engine")
print(engine.pid, other.pid, flush=True)
time.sleep(600)
"""


def test_the_engine_goes_with_a_replica_that_is_killed() -> None:
    replica = subprocess.Popen([sys.executable, "-c", _REPLICA], stdout=subprocess.PIPE, text=True)
    assert replica.stdout is not None
    engine, other = (psutil.Process(int(pid)) for pid in replica.stdout.readline().split())
    assert engine.is_running() and other.is_running()
    os.kill(replica.pid, signal.SIGKILL)
    replica.wait()
    gone, _ = psutil.wait_procs([engine], timeout=60)
    assert gone == [engine] and other.is_running()
    other.kill()
