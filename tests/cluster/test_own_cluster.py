"""A cluster that one command started, and another command that joins it: both in Ray's default mode, with a token."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reward_server.compat.ray import read_ray_address

pytestmark = pytest.mark.engine

LOSES = """
import os, time
os.environ["RAY_gcs_rpc_server_reconnect_timeout_s"] = "5"  # Ray's minute, until it ends the driver
import psutil
from services.launch.cluster import cluster

with cluster(1, None):
    [gcs] = [child for child in psutil.Process().children(recursive=True) if child.name() == "gcs_server"]
    gcs.kill()
    time.sleep(60)
"""
SERVES = """
import ray
from ray import serve
from services.launch.cluster import cluster

@serve.deployment
class Answer:
    pass

with cluster(3, None):
    serve.run(Answer.bind(), route_prefix=None)
    print("ADDRESS", ray.get_runtime_context().gcs_address, flush=True)
    input()
"""
# A streamed answer comes back through a server in the process that asked, as every answer of a Serve handle does.
ASKS = """
import sys, ray
from services.launch.cluster import connected

@ray.remote
def count():
    for number in range(3):
        yield number

with connected(sys.argv[1]):
    print("ANSWERS", [ray.get(each, timeout=60) for each in count.options(num_returns="streaming").remote()])
"""


def command(code: str, home: Path, *arguments: str) -> subprocess.Popen[str]:
    """`code` as a user runs it who never used Ray: no RAY_AUTH_MODE, no token in `home` before the first one."""
    env = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"} | {"HOME": str(home)}
    words = [sys.executable, "-c", code, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=env, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)


def test_a_second_command_is_answered_and_serve_ends_with_its_cluster_without_a_word(tmp_path: Path) -> None:
    with command(SERVES, tmp_path) as first:  # without its input it ends, too
        assert first.stdin is not None and first.stdout is not None
        said = ""
        while "ADDRESS" not in said:
            line = first.stdout.readline()
            assert line, said
            said += line
        assert (tmp_path / ".ray" / "auth_token").is_file()
        answer, _ = command(ASKS, tmp_path, said.split()[-1]).communicate(timeout=120)
        assert "ANSWERS [0, 1, 2]" in answer
        first.stdin.write("\n")
        first.stdin.flush()
        said += first.stdout.read()
    assert first.returncode == 0
    assert said.split("ADDRESS ")[1].split()[0] != read_ray_address()  # the next command starts a cluster of its own
    assert "ServeController" not in said


def test_a_command_whose_cluster_dies_says_so(tmp_path: Path) -> None:
    said, _ = command(LOSES, tmp_path).communicate(timeout=240)
    assert "error: the local Ray cluster ended (exit code 1):" in said
    assert "gcs_server" in said
