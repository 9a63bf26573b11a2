"""`oars upscale FOLDER` on a Ray cluster: join or start it, let its workers enlarge the photos, keep one report."""

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from oars.config import RunConfig
from oars.files import remove_partial
from oars.names import printable
from services.launch.cluster import cluster
from services.launch.placement import check_node, run_needs, this_node
from services.results.enlargement_tasks import Task
from services.results.enlargement_workers import enlarge_on_ray
from services.results.enlargements import Load, Record, Report, keep_records
from services.run.progress import Progress, ProgressLine, progress


def enlarge_on_cluster(
    config: RunConfig, load: Load, report: Report, tasks: list[Task], out: Path, address: str
) -> None:
    """Do the tasks and note each in `upscale.json` of `out`. However it ends, nothing half-written stays.

    Raises NoCluster, CannotPlace, NoWorkers, NotShared, and what loading raises.
    """
    rollout, out = config.rollout, out.absolute()
    todo = [Task(task.source.absolute(), task.target.absolute()) for task in tasks]  # workers live elsewhere

    def before_start() -> None:
        check_node({"rollout": run_needs(config)["rollout"]}, this_node())

    cpus = math.ceil(rollout.workers * rollout.resources.num_cpus)
    try:
        with (
            cluster(cpus, address, config.control.start_deadline_s, before_start),
            closing(enlarge_on_ray(config, load, todo, out)) as records,
            progress() as shown,
        ):
            keep_records(report, _shown(records, len(todo), shown), out)
    finally:
        remove_partial(out)


def _shown(records: Iterator[tuple[Task, Record]], total: int, shown: Progress) -> Iterator[tuple[Task, Record]]:
    shown.update(ProgressLine("photos", 0, total))
    for done, (task, record) in enumerate(records, start=1):
        shown.update(ProgressLine("photos", done, total, printable(task.source.name)))
        yield task, record
