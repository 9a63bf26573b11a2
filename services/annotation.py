"""`oars compass annotate`: measurements on Ray Data, then the three stages, each a folder of shards under its recipe.

A stage's recipe is the digest of its config and of the shards that it read, so a second run redoes only what a changed
config or changed pictures make stale, and each stage can be run alone. labels.json is written last: without it, or with
another manifest's digest in it, the data set counts as not annotated.
"""

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
import torch
import yaml
from ray.data import ActorPoolStrategy

from oars.compass.annotation import Labelled, anchor_rows, comparison_rows, label
from oars.compass.dataset import (
    LABELS_FILE,
    BadDataset,
    Manifest,
    manifest_digest,
    read_manifest,
    read_shard_groups,
    shard_names,
    transition_files,
)
from oars.compass.evidence import Measured, Scale, fit_scale, read_measured
from oars.compass.fidelity import fit_fidelity
from oars.compass.labels_record import labels_record
from oars.compass.measurements import measure_group
from oars.compass.tables import (
    ANCHORS,
    COMPARISONS,
    GROUPS,
    LABELS,
    MEASUREMENTS,
    Row,
    is_finished,
    read_shard,
    recipe_of,
    write_shard,
)
from oars.config.annotation import STAGES, AnnotationConfig, Stage
from oars.config.loading import BadConfig
from oars.files import sha256, write_text
from oars.metrics.dists import dists_available
from oars.report.review import write_review
from services.curation import Progress, quiet_ray_data

# Changes when the code of a stage gives other numbers for the same pictures.
_VERSION = 1


class Annotation:
    """One data set being annotated."""

    def __init__(self, config: AnnotationConfig, directory: Path, progress: Progress) -> None:
        """Raises BadDataset if curation has not finished there."""
        self._config, self._directory, self._progress = config, directory, progress
        self._manifest = read_manifest(directory)
        self._shards = shard_names(self._manifest)
        source = config.fidelity.source
        self._use_dists = source == "dists" or (source == "auto" and dists_available())

    def run(self, stages: Sequence[Stage] = STAGES) -> None:
        """Do these stages, in their order. Raises BadDataset naming a stage whose tables are missing, and so on."""
        steps = {
            "measurements": self._measure,
            "anchors": self._anchor,
            "comparisons": self._compare,
            "labels": self._label,
        }
        for stage in STAGES:
            if stage in stages:
                steps[stage]()

    def _measure(self) -> None:
        pictures = {shard: self._picture_digests(shard) for shard in self._shards}
        recipes = {shard: recipe_of(_VERSION, digests, self._use_dists) for shard, digests in pictures.items()}
        missing = [shard for shard in self._shards if not self._finished("measurements", shard, recipes[shard])]
        done = len(self._shards) - len(missing)
        self._progress("measurements", done, len(self._shards))
        if not missing:
            return
        quiet_ray_data()
        pool = self._config.pool
        work = [(shard, recipes[shard]) for shard in missing]
        measured = ray.data.from_items(list(range(len(missing))), override_num_blocks=len(missing)).map(
            _Measuring,
            fn_constructor_args=(self._directory, self._manifest, work, self._use_dists, pool.resources.threads),
            compute=ActorPoolStrategy(size=min(pool.actors, len(missing))),
            num_cpus=pool.resources.num_cpus,
            num_gpus=pool.resources.num_gpus,
        )
        for _ in measured.iter_rows():
            done += 1
            self._progress("measurements", done, len(self._shards))

    def _anchor(self) -> None:
        scale, source = self._scale, self._config.anchors.source
        settings = self._config.anchors.model_dump(mode="json")
        settings = {"anchors": settings, "scale": self._config.comparisons.model_dump(mode="json")}
        self._stage("anchors", ANCHORS, settings, lambda group: anchor_rows(group, scale, source))

    def _compare(self) -> None:
        scale, settings = self._scale, self._config.comparisons.model_dump(mode="json")
        self._stage("comparisons", COMPARISONS, settings, lambda group: comparison_rows(group, scale))

    def _stage(self, table: str, schema: pa.Schema, settings: object, make: Callable[[Measured], list[Row]]) -> None:
        """One shard after the other: by metrics, a stage is arithmetic on what was measured."""
        for done, (shard, groups) in enumerate(self._measured.items()):
            recipe = recipe_of(_VERSION, table, settings, self._measured_digest)
            if not self._finished(table, shard, recipe):
                write_shard(self._directory / table / shard, schema, [r for g in groups for r in make(g)], recipe)
            self._progress(table, done + 1, len(self._shards))

    def _label(self) -> None:
        config, verdicts = self._config, self._verdicts()
        everything = [group for groups in self._measured.values() for group in groups]
        fidelity = fit_fidelity(everything, self._scale.labels, self._use_dists)
        labelled: list[Labelled] = []
        for done, (shard, groups) in enumerate(self._measured.items()):
            anchors, comparisons = self._rows("anchors", shard), self._rows("comparisons", shard)
            new = [
                label(
                    group,
                    {row["enhancer"]: row["anchor"] for row in anchors if row["input_id"] == group.input_id},
                    [row for row in comparisons if row["input_id"] == group.input_id],
                    fidelity.of(group),
                    config,
                    verdicts,
                )
                for group in groups
            ]
            recipe = recipe_of(_VERSION, [self._digest(table, shard) for table in ("anchors", "comparisons")])
            write_shard(self._directory / "labels" / shard, LABELS, [r for one in new for r in one.labels], recipe)
            write_shard(self._directory / "groups" / shard, GROUPS, [one.group for one in new], recipe)
            labelled += new
            self._progress("labels", done + 1, len(self._shards))
        digest = manifest_digest(
            {f"{table}/{shard}": self._digest(table, shard) for table in ("labels", "groups") for shard in self._shards}
        )
        digests = (self._manifest.digest, digest)
        record = labels_record(config, digests, self._scale, fidelity, everything, labelled)
        write_review(self._directory, self._manifest, labelled)
        write_text(self._directory / LABELS_FILE, json.dumps(record, indent=1) + "\n")

    @cached_property
    def _measured(self) -> dict[str, list[Measured]]:
        return {
            shard: read_measured(self._rows("measurements", shard), read_shard(self._directory / "inputs" / shard))
            for shard in self._shards
        }

    @cached_property
    def _measured_digest(self) -> str:
        return recipe_of([self._digest("measurements", shard) for shard in self._shards])

    @cached_property
    def _scale(self) -> Scale:
        settings = self._config.comparisons
        groups = [group for groups in self._measured.values() for group in groups]
        return fit_scale(groups, (settings.stlpips_weight, settings.cvvdp_weight))

    def _rows(self, table: str, shard: str) -> list[Row]:
        path = self._directory / table / shard
        if not path.is_file():
            raise BadDataset(f"{path}: missing: run the stage `{table}` first")
        return read_shard(path)

    def _picture_digests(self, shard: str) -> list[str]:
        files = [f"inputs/{shard}", *transition_files(self._manifest, shard)]
        return [self._manifest.shards[file] for file in files]

    def _digest(self, table: str, shard: str) -> str:
        return sha256(self._directory / table / shard)

    def _finished(self, table: str, shard: str, recipe: str) -> bool:
        return is_finished(self._directory / table / shard, recipe)

    def _verdicts(self) -> dict[str, str]:
        path = self._config.verdicts
        if path is None:
            return {}
        said: Any = yaml.safe_load(path.read_text()) if path.is_file() else None
        if not isinstance(said, dict) or not set(said.values()) <= {"keep", "drop"}:
            raise BadConfig(f"verdicts: {path}: expected a YAML file of `input_id: keep` or `input_id: drop`")
        return said


class _Measuring:
    """The actor: metric networks are loaded once."""

    def __init__(
        self, directory: Path, manifest: Manifest, work: list[tuple[str, str]], use_dists: bool, threads: int
    ) -> None:
        torch.set_num_threads(threads)
        self._directory, self._manifest, self._work, self._use_dists = directory, manifest, work, use_dists

    def __call__(self, row: Row) -> Row:
        shard, recipe = self._work[row["item"]]
        groups = read_shard_groups(self._directory, self._manifest, shard)
        rows = [measured for group in groups for measured in measure_group(group, self._use_dists)]
        write_shard(self._directory / "measurements" / shard, MEASUREMENTS, rows, recipe)
        return row
