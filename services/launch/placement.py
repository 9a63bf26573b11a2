"""Whether the roles of a run fit on the one node of a cluster of our own, where nothing will ever be added.

Only GPUs and labels can be missing there: logical CPUs are given as they are needed (services/launch/cluster.py).
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from oars.config import JudgeConfig, ResourcesConfig, RunConfig
from oars.errors import UserError
from services.reward_modeling.refresh_settings import stage_training

# Of Ray's label selectors; what they mean is left to Ray, and so are the labels that it gives a node itself.
_OPERATORS = ("!", "in(")
_RAYS_OWN = "ray.io/"
# Labels that Ray gives each node that is started in this environment, JSON.
_LABELS = "RAY_OVERRIDE_LABELS"


class CannotPlace(UserError, RuntimeError):
    """A role that no node can ever hold; the message is one line naming its field."""


@dataclass(frozen=True)
class Need:
    """Resources that all actors of one role reserve together."""

    gpus: float
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Node:
    gpus: float
    labels: Mapping[str, str] = field(default_factory=dict)


def judge_need(judge: JudgeConfig) -> Need:
    bundles = [float(bundle.get("GPU", 0)) for bundle in judge.placement_group_bundles]
    return Need(sum(bundles) if bundles else judge.resources.num_gpus, judge.resources.label_selector)


def run_needs(config: RunConfig) -> dict[str, Need]:
    """Resources by role; without the judge if an endpoint serves it. Raises BadConfig."""
    needs = {
        "rollout": _need(config.rollout.workers, config.rollout.resources),
        "learner": _need(config.learner.ranks, config.learner.resources),
    }
    if (training := stage_training(config)) is not None:
        learner, replica = _need(training.learner.ranks, training.learner.resources), judge_need(config.judge)
        # The training, and then one more replica, which is warm before the old judge leaves.
        needs["stages.refresh: learner"] = Need(max(learner.gpus, replica.gpus), learner.labels)
    return needs if config.reward.endpoint else {"judge": judge_need(config.judge), **needs}


def _need(actors: int, resources: ResourcesConfig) -> Need:
    return Need(actors * resources.num_gpus, resources.label_selector)


def check_node(needs: Mapping[str, Need], node: Node) -> None:
    """Raises CannotPlace."""
    for role, need in needs.items():
        for key, value in need.labels.items():
            left_to_ray = value.startswith(_OPERATORS) or key.startswith(_RAYS_OWN)
            if not left_to_ray and node.labels.get(key) != value:
                raise CannotPlace(
                    f"{role}.resources.label_selector: {key}={value} wanted, and this machine has no such label; "
                    f"start the cluster yourself with `ray start --head --labels {key}={value}`"
                )
    wanted = {f"{role}.resources.num_gpus": need.gpus for role, need in needs.items() if need.gpus}
    if sum(wanted.values()) > node.gpus:
        listed = ", ".join(f"{name}: {gpus:g}" for name, gpus in wanted.items())
        raise CannotPlace(f"{listed} GPUs wanted together, and this machine has {node.gpus:g}")


def this_node() -> Node:
    """The one node of a cluster of our own, before it is started."""
    import torch

    return Node(torch.cuda.device_count(), json.loads(os.environ.get(_LABELS, "{}")))
