"""A cluster of four nodes on this machine: run by `test_node_pools.py` in a process of its own; prints JSON.

`where`: node names by role; `learner`, `rollout`: the error of a role whose pool does not exist.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.cluster_utils import Cluster
from served_judge import APP, SIDE, group
from tiny import tiny_config

from learner.group import LearnerGroup
from learner.ranks import LearnerUnavailable
from oars.compass.outcome import Judged
from oars.config import JudgeConfig, RewardClientConfig, RunConfig
from oars.generator.miniature.tiny import build_tiny
from reward_server.client import CompassClient
from rollout_workers.pool import RolloutPool, WorkersUnavailable

POOLS = ("learner", "rollout", "judge")


def config_of(generator: Path, learner: str, rollout: str, deadline_s: float) -> RunConfig:
    def role(pool: str, **more: object) -> dict[str, object]:
        return {"resources": {"num_cpus": 1, "label_selector": {"oars-pool": pool}}, **more}

    return tiny_config(
        generator,
        learner=role(learner, ranks=2, zero_stage=3),
        rollout=role(rollout, workers=2, candidates=3),
        control={"start_deadline_s": deadline_s},
    )


async def node_of(actor: Any) -> str:
    node: str = await actor.__ray_call__.remote(lambda _: ray.get_runtime_context().get_node_id())
    return node


async def places(config: RunConfig) -> dict[str, list[str]]:
    """Both roles up at once, the learner's ranks connected across the pool."""
    learner, rollouts = await asyncio.gather(LearnerGroup.start(config), RolloutPool.start(config))
    try:
        names = {"learner": ["learner-0", "learner-1"], "rollout": ["rollout-0", "rollout-1"]}
        return {role: [await node_of(ray.get_actor(n)) for n in found] for role, found in names.items()}
    finally:
        learner.stop()
        await rollouts.stop()


def place_of_the_judge() -> str:
    """COMPASS deployed into its pool, and asked from here, which is another node. Its judge is a class, since an engine
    only adds its start: the replica is placed before it has a judge."""
    from ray.serve.context import _get_global_client

    from services.launch.serving import JUDGE, deploy

    resources = {"num_cpus": 1, "label_selector": {"oars-pool": "judge"}}
    judge = {"class_path": "docs.examples.sharpness.Sharpness", "resources": resources}
    deploy(JudgeConfig.model_validate(judge), APP)
    client = CompassClient(RewardClientConfig(app=APP, deadline_s=60))
    [outcome] = asyncio.run(client.score("from-another-node", *group(1, 1, SIDE))).outcomes
    assert isinstance(outcome, Judged), outcome
    [replica] = _get_global_client().get_serve_details()["applications"][APP]["deployments"][JUDGE]["replicas"]
    return str(replica["node_id"])


async def refusals(generator: Path) -> dict[str, str]:
    errors = {}
    try:
        await LearnerGroup.start(config_of(generator, "nowhere", "rollout", 2.0))
    except LearnerUnavailable as error:
        errors["learner"] = str(error)
    try:
        await RolloutPool.start(config_of(generator, "learner", "nowhere", 2.0))
    except WorkersUnavailable as error:
        errors["rollout"] = str(error)
    return errors


def main(folder: Path) -> None:
    generator = build_tiny(folder / "generator")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = {pool: cluster.add_node(num_cpus=2, labels={"oars-pool": pool}) for pool in POOLS}
    ray.init(address=cluster.address, namespace="oars", log_to_driver=False, logging_level="error")
    names = {node.node_id: pool for pool, node in nodes.items()}
    try:
        found = asyncio.run(places(config_of(generator, "learner", "rollout", 200.0)))
        found["judge"] = [place_of_the_judge()]
        where = {role: [names.get(node, "another node") for node in ids] for role, ids in found.items()}
        refused = asyncio.run(refusals(generator))
    finally:
        serve.shutdown()
        ray.shutdown()
        cluster.shutdown()
    print(json.dumps({"where": where, **refused}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
