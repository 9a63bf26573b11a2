"""`oars compass curate` on Ray Data: which shards are missing, made by streaming pipelines, then sealed by a manifest.

Two passes: inputs, then transitions. The unit of both is a shard of one table (of one enhancer, in the second pass),
written whole under its recipe, so a run that was killed anywhere goes on with the shards that are not finished and
ends with the same bytes. Within a pass nothing waits for a whole table: reading, enhancing (a pool of actors with the
enhancer's resources) and writing are stages of one Ray Data pipeline, with its back-pressure between them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray.data import ActorPoolStrategy, DataContext, Dataset

from oars.compass.data.curation import Shards, inputs_recipe, make_inputs, photo_digests, plan_inputs, shards
from oars.compass.data.curation_record import write_record
from oars.compass.data.dataset import Manifest
from oars.compass.data.enhancers import BadEnhancer, Enhancer, Task, ingredients, load_enhancer, missing_outputs
from oars.compass.data.tables import INPUTS, TRANSITIONS, is_finished, read_shard, recipe_of, write_shard
from oars.config.curation import CurationConfig, EnhancerConfig, PoolConfig
from oars.errors import UserError
from oars.files import sha256
from oars.imaging.image_io import BadImage, decode_lossless, encode_png
from services.run.progress import Progress, ProgressLine

Row = dict[str, Any]

_SHARDS = "shards"


@dataclass(frozen=True)
class _Job:
    """One shard of transitions to make."""

    enhancer: EnhancerConfig
    shard: str
    recipe: str

    def path(self, out: Path) -> Path:
        return out / "transitions" / f"{self.enhancer.name}.{self.shard}"


def curate(config: CurationConfig, out: Path, progress: Progress) -> Manifest:
    """Make what is missing in `out`, then seal it. Raises the user's errors of the parts."""
    quiet_ray_data()
    planned = shards(plan_inputs(config), config.shard)
    make_missing_inputs(config, out, planned, progress)
    for enhancer in config.enhancers:
        _check_outputs(enhancer, planned)
    jobs = [job for enhancer in config.enhancers for job in _jobs(config, out, enhancer, planned)]
    missing = [job for job in jobs if not is_finished(job.path(out), job.recipe)]
    done = len(jobs) - len(missing)
    progress.update(ProgressLine("transitions", done, len(jobs), _SHARDS))
    for name, pool in config.pools.items():
        for row in _enhance(config, out, pool, [job for job in missing if job.enhancer.pool == name]):
            if row["trouble"]:
                raise BadEnhancer(row["trouble"])
            done += 1
            progress.update(ProgressLine("transitions", done, len(jobs), _SHARDS))
    return write_record(config, out, planned)


def quiet_ray_data() -> None:
    """Its own bars and plans would be drawn over ours."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False


def export_inputs(config: CurationConfig, out: Path, folder: Path, progress: Progress) -> int:
    """Make the inputs alone and write each LR as `<input_id>.png`: for methods that run elsewhere. Returns how many."""
    quiet_ray_data()
    planned = shards(plan_inputs(config), config.shard)
    make_missing_inputs(config, out, planned, progress)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for shard, _ in planned for row in read_shard(out / "inputs" / shard)]
    for row in rows:
        (folder / f"{row['input_id']}.png").write_bytes(row["lr"])
    return len(rows)


def make_missing_inputs(config: CurationConfig, out: Path, planned: Shards, progress: Progress) -> None:
    """The first pass."""
    digests = photo_digests([plan for _, plans in planned for plan in plans])
    recipes = {shard: inputs_recipe(config, plans, digests) for shard, plans in planned}
    missing = [(shard, plans) for shard, plans in planned if not is_finished(out / "inputs" / shard, recipes[shard])]
    done = len(planned) - len(missing)
    progress.update(ProgressLine("inputs", done, len(planned), _SHARDS))

    def make(row: Row) -> Row:
        shard, plans = missing[row["item"]]
        try:
            write_shard(out / "inputs" / shard, INPUTS, list(make_inputs(config, plans)), recipes[shard])
        except UserError as error:  # a photo that became unreadable; Ray would wrap it into a traceback
            return {"trouble": str(error)}
        return {"trouble": ""}

    if not missing:
        return
    for row in _items(list(range(len(missing)))).map(make, num_cpus=1).iter_rows():
        if row["trouble"]:
            raise BadImage(row["trouble"])
        done += 1
        progress.update(ProgressLine("inputs", done, len(planned), _SHARDS))


def _check_outputs(enhancer: EnhancerConfig, planned: Shards) -> None:
    missing = missing_outputs(enhancer, [plan.input_id for _, plans in planned for plan in plans])
    if missing:
        raise BadEnhancer(
            f"enhancer {enhancer.name!r}: {len(missing)} outputs are missing, the first is {missing[0]}; "
            f"`oars compass curate --export FOLDER` writes the inputs for it"
        )


def _jobs(config: CurationConfig, out: Path, enhancer: EnhancerConfig, planned: Shards) -> Iterator[_Job]:
    settings = enhancer.model_dump(mode="json", exclude={"pool", "licence"})
    for shard, plans in planned:
        inputs = [plan.input_id for plan in plans]
        source = sha256(out / "inputs" / shard)
        recipe = recipe_of("transitions", settings, config.batch, source, ingredients(enhancer, inputs))
        yield _Job(enhancer, shard, recipe)


def _enhance(config: CurationConfig, out: Path, pool: PoolConfig, jobs: list[_Job]) -> Iterator[Row]:
    """Enhancer by enhancer, so that an actor seldom changes what it has loaded."""
    if not jobs:
        return iter(())

    def read(row: Row) -> Row:
        inputs = read_shard(out / "inputs" / jobs[row["item"]].shard)
        return row | {"inputs": [{key: entry[key] for key in ("input_id", "lr", "gt")} for entry in inputs]}

    def write(row: Row) -> Row:
        job = jobs[row["item"]]
        if row["trouble"]:
            return {"trouble": row["trouble"]}
        rows = [
            {"input_id": name, "enhancer": job.enhancer.name, "family": job.enhancer.family, "sr": encode_png(sr)}
            for name, sr in zip(row["input_id"], row["sr"], strict=True)
        ]
        write_shard(job.path(out), TRANSITIONS, rows, job.recipe)
        return {"trouble": ""}

    resources = pool.resources
    enhanced = (
        _items(list(range(len(jobs))))
        .map(read, num_cpus=0.5)
        .map(
            _Enhancing,
            fn_constructor_args=([job.enhancer for job in jobs], config.scale, config.batch, resources.threads),
            compute=ActorPoolStrategy(size=min(pool.actors, len(jobs))),
            num_cpus=resources.num_cpus,
            num_gpus=resources.num_gpus,
            label_selector=resources.label_selector or None,
        )
        .map(write, num_cpus=0.5)
    )
    return enhanced.iter_rows()


def _items(items: list[int]) -> Dataset:
    """One row a block: a row is a whole shard."""
    return ray.data.from_items(items, override_num_blocks=len(items))


class _Enhancing:
    """The actor: keeps the enhancer that it used last."""

    def __init__(self, enhancers: list[EnhancerConfig], scale: int, batch: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self._enhancers, self._scale, self._batch = enhancers, scale, batch
        self._name = ""
        self._loaded: Enhancer | None = None

    def __call__(self, row: Row) -> Row:
        enhancer = self._enhancers[row["item"]]
        if enhancer.name != self._name:
            self._name, self._loaded = enhancer.name, load_enhancer(enhancer, self._scale, self._batch)
        assert self._loaded is not None
        tasks, trouble = [_task(entry) for entry in row["inputs"]], ""
        try:
            pictures = self._loaded(tasks)
        except UserError as error:
            # Ray would wrap it into a traceback, and the user is to read one line.
            pictures, trouble = [None] * len(tasks), str(error)
        made = [(task.input_id, sr) for task, sr in zip(tasks, pictures, strict=True) if sr is not None]
        sr = np.stack([sr for _, sr in made]) if made else np.zeros((0, 1, 1, 3), np.uint8)
        return {"item": row["item"], "input_id": [name for name, _ in made], "sr": sr, "trouble": trouble}


def _task(entry: Row) -> Task:
    name, gt = entry["input_id"], entry["gt"]
    return Task(name, decode_lossless(entry["lr"], name), None if gt is None else decode_lossless(gt, name))
