"""`python -m benchmarks.reward_by_file`: COMPASS is deployed by `serve deploy FILE`, and the file edited under load.

Edits: more replicas allowed, which the autoscaler then adds; a higher target, at which it takes one away; a fixed
number; another directory for the judge. The callers come through the gRPC gateway, every answer is checked.
"""

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from benchmarks.reward_setting import CANDIDATES, groups_of
from benchmarks.reward_storm import SETTING, Storm, report, through_storm
from oars.config import RunConfig, load_profile
from oars.deployment import deploy_path
from reward_server.checkpoint import judge_directory
from reward_server.client import CompassClient
from services.bench.known_scores import Comparison
from services.bench.load import Sample
from services.launch.cluster import cluster, needed_cpus
from services.launch.local_head import free_ports
from services.launch.serving import JUDGE, serve_config

SPARE_CPUS = 3  # logical ones, for the gateway and a second replica, and a third while the judge is exchanged
# The autoscaler's delays of the shipped file are for judges that start in minutes.
_QUICK = {"upscale_delay_s": 5, "downscale_delay_s": 10}


class ServeFile:
    """The file, and `serve deploy` of it."""

    def __init__(self, path: Path, dashboard: str, content: dict[str, Any]) -> None:
        self._path, self._dashboard, self._content = path, dashboard, content

    def deploy(self, edit: Callable[[dict[str, Any]], object]) -> None:
        """Edit the judge's application in the file, and deploy it."""
        edit(self._content["applications"][0])
        self._path.write_text(yaml.safe_dump(self._content))
        serve = Path(sys.executable).with_name("serve")
        command = [str(serve), "deploy", "--address", self._dashboard, str(self._path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"serve deploy: {done.stderr.strip()}")


def scaling(**options: float) -> Callable[[dict[str, Any]], object]:
    """An edit of the judge's autoscaler."""

    def edit(app: dict[str, Any]) -> None:
        [judge] = [one for one in app["deployments"] if one["name"] == JUDGE]
        judge["autoscaling_config"] |= options

    return edit


async def weather(storm: Storm, file: ServeFile, copy: Path) -> None:
    async def deploy(what: str, edit: Callable[[dict[str, Any]], object], replicas: int, new: bool = False) -> None:
        gone = {one.replica for one in await storm.running()} if new else set[str]()
        await asyncio.sleep(5)
        await storm.change(what, lambda: file.deploy(edit), replicas, gone)

    await deploy("max_replicas: 2, the load adds one", scaling(max_replicas=2), 2)
    await deploy("target_ongoing_requests: 12, the load needs one", scaling(target_ongoing_requests=12), 1)
    await deploy("min_replicas: 2", scaling(min_replicas=2), 2)
    await deploy("args.path: another directory", lambda app: app["args"].update(path=str(copy)), 2, new=True)
    await deploy("min_replicas: 1, max_replicas: 1", scaling(min_replicas=1, max_replicas=1), 1)
    await asyncio.sleep(5)


def shipped_file(config: RunConfig, ports: list[int]) -> dict[str, Any]:
    """deploy/serve/compass.yaml with this judge, these gateways, and an autoscaler that acts within seconds."""
    content = serve_config()
    judge, gateway = content["applications"]
    judge["args"] = config.judge.model_dump(mode="json")
    scaling(**_QUICK)(judge)
    gateway["args"] |= {"http_port": ports[0], "grpc_port": ports[1], "requests_per_s": 10_000.0}
    return content


async def measure(config: RunConfig, file: ServeFile, port: int, copy: Path) -> tuple[list[Sample], Comparison, Storm]:
    app = config.reward.app
    await Storm(app).change("serve deploy", lambda: file.deploy(lambda _: None), 1)
    client = config.reward.model_copy(update={"endpoint": f"grpc://127.0.0.1:{port}"})
    async with CompassClient(client) as compass:
        return await through_storm(compass, groups_of(config), app, lambda storm: weather(storm, file, copy))


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    config = load_profile(deploy_path(), [f"rollout.candidates={CANDIDATES}", *SETTING])
    with tempfile.TemporaryDirectory() as folder, cluster(needed_cpus(config) + SPARE_CPUS, None) as own:
        copy = shutil.copytree(judge_directory(config.judge.path), Path(folder, "judge"))
        ports = free_ports(2)
        file = ServeFile(Path(folder, "compass.yaml"), own.dashboard, shipped_file(config, ports))
        report("reward_by_file", *asyncio.run(measure(config, file, ports[1], copy)))


if __name__ == "__main__":
    main()
