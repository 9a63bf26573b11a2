"""What every test shares: markers by folder, one hypothesis profile, one Ray cluster, and no process left behind.

A test's layer is the folder it lies in. Tests in `tests/cluster` and `tests/chaos` take the fixture `ray_cluster`, or
start clusters of their own; either way the session fails if a process that it started, daemons included, outlives it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psutil
import pytest

from benchmarks.descendants import adopt_orphans, descendants

TESTS = Path(__file__).parent
LAYERS = ("unit", "parity", "cluster", "chaos", "gpu")

adopt_orphans()
# Inherited by every process that a test starts.
os.environ |= {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS.parent), os.environ.get("PYTHONPATH")])),
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DS_ACCELERATOR": os.environ.get("DS_ACCELERATOR", "cpu"),
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Two threads on two cores wait for each other whenever the session's cluster has work of its own.
    "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
}

# The same examples on every machine; no deadline, because a shared machine is sometimes slow.
hypothesis.settings.register_profile("oars", derandomize=True, deadline=None, database=None, max_examples=60)
hypothesis.settings.load_profile("oars")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        layer = item.path.relative_to(TESTS).parts[0]
        if layer in LAYERS and item.get_closest_marker(layer) is None:
            item.add_marker(layer)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that wants more CUDA devices than there are; `@pytest.mark.gpu(2)` declares two, plain gpu one."""
    marker = item.get_closest_marker("gpu")
    if marker is None:
        return
    import torch

    wanted = marker.args[0] if marker.args else 1
    if torch.cuda.device_count() < wanted:
        pytest.skip(f"needs {wanted} CUDA device(s)")


def _left() -> list[psutil.Process]:
    return [process for process in descendants() if not _is_tracker(process)]


def _is_tracker(process: psutil.Process) -> bool:
    """multiprocessing's own, which ends with the process that started it: pytest itself."""
    return process.ppid() == os.getpid() and "multiprocessing.resource_tracker" in " ".join(process.cmdline())


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Set up first and torn down last: whatever the session started must have ended by itself."""
    yield
    psutil.wait_procs(_left(), timeout=60)  # for a machine that runs much else
    left = {process: f"{process.pid} {' '.join(process.cmdline())[:120]}" for process in _left()}
    for process in left:
        process.kill()
    assert not left, f"processes left behind: {list(left.values())}"


@pytest.fixture(scope="session")
def ray_cluster(nothing_left_behind: None) -> Iterator[None]:
    """One local Ray cluster for the session: eight logical CPUs on whatever is there, no dashboard."""
    import ray
    from ray import serve

    # Short, because Ray puts unix sockets under it, whose paths may have 107 bytes.
    temp_dir = tempfile.mkdtemp(prefix="oars-", dir="/tmp")
    ray.init(
        num_cpus=8,
        include_dashboard=False,
        object_store_memory=512 * 2**20,
        namespace="oars",
        log_to_driver=False,
        _temp_dir=temp_dir,
    )
    yield
    serve.shutdown()
    workers = _workers(temp_dir)
    ray.shutdown()
    for worker in psutil.wait_procs(workers, timeout=30)[1]:
        worker.kill()  # an idle worker of Ray's sometimes does not notice that its raylet has ended
    shutil.rmtree(temp_dir, ignore_errors=True)


def _workers(temp_dir: str) -> list[psutil.Process]:
    """Those of the cluster that lives in this folder, and of no other."""
    raylets = [process for process in descendants() if "raylet" in process.name() and _names(process, temp_dir)]
    return [worker for raylet in raylets for worker in raylet.children(recursive=True)]


def _names(process: psutil.Process, text: str) -> bool:
    return any(text in argument for argument in process.cmdline())
