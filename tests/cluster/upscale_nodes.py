"""`oars upscale --candidates` over two nodes of a cluster on this machine: run by `test_upscale_nodes.py` in a process
of its own. Each node has room for one worker.

Arguments: a folder, which holds `photos/`, and a judge's directory. The outputs go to `there/`, those of this process
alone to `here/`, each with its report. Prints JSON: `nodes` that there are, `loaded`, those that loaded the models.
"""

import json
import sys
from functools import partial
from pathlib import Path

import ray
from enlargement_settings import settings_of
from ray.cluster_utils import Cluster
from served_judge import judge_config
from tiny import tiny_config

from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from services.results.enlargement_tasks import Task
from services.results.enlargement_workers import enlarge_on_ray
from services.results.enlargements import Enlargements, Report, Settings, enlarge_all, keep_records


def load(config: RunConfig, settings: Settings, seen: Path) -> Enlargements:
    """Leaves a file that is named after the node."""
    (seen / ray.get_runtime_context().get_node_id()).touch()
    return Enlargements.load(config, None, settings)


def tasks_of(folder: Path, out: Path) -> list[Task]:
    out.mkdir()
    return [Task(photo, out / photo.name) for photo in sorted((folder / "photos").iterdir())]


def main(folder: Path, judge: Path) -> None:
    config = tiny_config(
        build_tiny(folder / "generator"),
        sampler={"inference_steps": 2, "tile": 32, "overlap": 16},
        rollout={"workers": 2, "candidates": 2},
        data={"crop": 64, "evaluation_crop": 64, "shown_crop": 64},
        judge=judge_config(judge).model_dump(mode="json"),
    )
    settings = settings_of(config, 2, str(judge))
    here, there, seen = (folder / name for name in ("here", "there", "seen"))
    seen.mkdir()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, namespace="oars", log_to_driver=False, logging_level="error")
    try:
        records = enlarge_on_ray(config, partial(load, config, settings, seen), tasks_of(folder, there), there)
        keep_records(Report(settings=settings), records, there)
    finally:
        ray.shutdown()
        cluster.shutdown()
    alone = Enlargements.load(config, None, settings)
    keep_records(Report(settings=settings), enlarge_all(alone, tasks_of(folder, here), lambda task: lambda: None), here)
    loaded = sorted(file.name for file in seen.iterdir())
    print(json.dumps({"nodes": sorted(node.node_id for node in nodes), "loaded": loaded}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
