"""The base installation, without any extra, reads configs and scores against a server.

Its dependencies are taken from pyproject.toml with all that they need in turn, and only they are put in the path of a
Python without site-packages, as an installation of the base would lay them out.
"""

import asyncio
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, requires
from pathlib import Path

from gateways import KnownJudge, opened
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
CLIENT = """
import sys
import numpy as np
from oars.config import RunConfig
from reward_server.client import SyncCompassClient

config = RunConfig().reward.model_copy(update={"endpoint": sys.argv[1]})
with SyncCompassClient(config) as compass:
    lr, candidates = np.full((32, 32, 3), 99, np.uint8), np.full((2, 64, 64, 3), 51, np.uint8)
    print([outcome.readings["fidelity"] for outcome in compass.score("a", lr, candidates).outcomes])
heavy = {"ray", "torch", "transformers", "deepspeed", "vllm"} & set(sys.modules)
assert not heavy, heavy
"""


def with_all_they_need(names: list[str]) -> set[str]:
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        one = waiting.pop()
        if one.name not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
            found.add(one.name)
            waiting += [Requirement(text) for text in requires(one.name) or []]
    return found


def lay_out(names: set[str], folder: Path) -> None:
    folder.mkdir()
    for name in names:
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(found.locate_file(top))))


def test_the_base_alone_scores_against_a_server(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lay_out(with_all_they_need(project["dependencies"]), tmp_path / "site")
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(tmp_path / 'site')!r}]\n{CLIENT}"

    async def run(scheme: str) -> str:
        async with opened(KnownJudge()) as gateway:
            port = gateway.http_port if scheme == "http" else gateway.grpc_port
            command = [sys.executable, "-I", "-S", "-c", code, f"{scheme}://127.0.0.1:{port}"]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120)
            return done.stdout.strip() or done.stderr[-2000:]

    for scheme in ("http", "grpc"):
        assert asyncio.run(run(scheme)) == "[0.2, 0.2]"
