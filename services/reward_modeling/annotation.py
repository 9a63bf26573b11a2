"""`oars compass annotate`: measurements on Ray Data, then the three stages, each a folder of shards under its recipe.

A stage's recipe is the digest of its config and of the shards that it read, so a second run redoes only what a changed
config or changed pictures make stale, and each stage can be run alone. labels.json is written last: without it, or with
another manifest's digest in it, the data set counts as not annotated.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
import torch
import yaml
from ray.data import ActorPoolStrategy

from oars.compass.annotation.evidence import Measured, Scale, fit_scale, read_measured
from oars.compass.annotation.fidelity_labels import fit_fidelity
from oars.compass.annotation.labels_record import labels_record
from oars.compass.annotation.measurements import measure_group
from oars.compass.annotation.stages import Labelled, anchor_rows, answered, comparison_rows, label
from oars.compass.data.dataset import (
    LABELS_FILE,
    BadDataset,
    Manifest,
    annotated_groups,
    manifest_digest,
    read_manifest,
    read_shard_groups,
    shard_names,
    transition_files,
)
from oars.compass.data.tables import (
    ANCHORS,
    COMPARISONS,
    EXPLANATIONS,
    GROUPS,
    LABELS,
    MEASUREMENTS,
    Row,
    is_finished,
    read_shard,
    recipe_of,
    write_shard,
)
from oars.config.annotation import STAGES, AnchorsConfig, AnnotationConfig, ComparisonsConfig, Stage, VlmConfig
from oars.config.base import BadConfig
from oars.files import fingerprint, sha256, write_text
from oars.metrics.dists import dists_available
from oars.report.review import write_review
from reward_server.checkpoint import judge_directory
from services.reward_modeling.annotators import Question, anchors_of, ask_all, comparisons_of
from services.reward_modeling.curation import quiet_ray_data
from services.reward_modeling.explanations import explain_groups
from services.run.progress import Progress, ProgressLine

# Changes when the code of a stage gives other numbers for the same pictures.
_VERSION = 3


class Annotation:
    """One data set being annotated."""

    def __init__(
        self, config: AnnotationConfig, directory: Path, progress: Progress, stages: Sequence[Stage] = STAGES
    ) -> None:
        """Raises BadDataset if curation has not finished there."""
        self._config, self._directory, self._stages, self._progress = config, directory, stages, progress
        self._manifest = read_manifest(directory)
        self._shards = shard_names(self._manifest)
        source = config.fidelity.source
        self._use_dists = source == "dists" or (source == "auto" and dists_available())

    def needs_ray(self) -> bool:
        """True if work is left that needs a cluster: pictures to measure, or a model to query."""
        asks = {"anchors": self._config.anchors.source, "comparisons": self._config.comparisons.source}
        models = any(asks.get(stage) == "vlm" for stage in self._stages)
        return models or ("measurements" in self._stages and bool(self.unmeasured()))

    def run(self) -> None:
        """Do the stages, in their order. Raises BadDataset naming a stage whose tables are missing, and so on."""
        steps = {
            "measurements": self._measure,
            "anchors": self._anchor,
            "comparisons": self._compare,
            "labels": self._label,
            "explanations": self._explain,
        }
        for stage in STAGES:
            if stage in self._stages:
                steps[stage]()

    def unmeasured(self) -> list[tuple[str, str]]:
        """Shards whose pictures are not measured, with the recipe that they wait for."""
        recipes = [(s, recipe_of(_VERSION, self._picture_digests(s), self._use_dists)) for s in self._shards]
        return [(shard, recipe) for shard, recipe in recipes if not self._finished("measurements", shard, recipe)]

    def _measure(self) -> None:
        work = self.unmeasured()
        done = len(self._shards) - len(work)
        self._show("measurements", done)
        if not work:
            return
        quiet_ray_data()
        pool = self._config.pool
        measured = ray.data.from_items(list(range(len(work))), override_num_blocks=len(work)).map(
            _Measuring,
            fn_constructor_args=(self._directory, self._manifest, work, self._use_dists, pool.resources.threads),
            compute=ActorPoolStrategy(size=min(pool.actors, len(work))),
            num_cpus=pool.resources.num_cpus,
            num_gpus=pool.resources.num_gpus,
        )
        for _ in measured.iter_rows():
            done += 1
            self._show("measurements", done)

    def _anchor(self) -> None:
        config = self._config.anchors
        source = "predicted" if config.source == "vlm" else config.source
        make = lambda group: anchor_rows(group, self._scale, source)  # noqa: E731
        vlm = config.vlm if config.source == "vlm" else None
        self._stage(_Stage("anchors", ANCHORS, config, make, vlm, anchors_of, "anchor", "anchor_source"))

    def _compare(self) -> None:
        config = self._config.comparisons
        measured = config.source == "measured"
        make = lambda group: comparison_rows(group, self._scale, measured)  # noqa: E731
        vlm = None if measured else config.vlm
        self._stage(_Stage("comparisons", COMPARISONS, config, make, vlm, comparisons_of, "p_first", "source"))

    def _stage(self, stage: "_Stage") -> None:
        """Run one stage: arithmetic on the measurements; a model, if there is one, is queried shard by shard where work
        is left and overrides them."""
        weights = fingerprint(judge_directory(stage.vlm.engine.path)) if stage.vlm else None
        settings = stage.config.model_dump(mode="json")
        recipe = recipe_of(_VERSION, stage.table, settings, weights, self._measured_digest)
        missing = [shard for shard in self._shards if not self._finished(stage.table, shard, recipe)]
        done = len(self._shards) - len(missing)
        self._show(stage.table, done)
        for shard, answers in self._answers(stage, missing):
            rows = [row for group in self._measured[shard] for row in stage.make(group)]
            told = answered(rows, answers, stage.column, stage.source_column)
            write_shard(self._directory / stage.table / shard, stage.schema, told, recipe)
            done += 1
            self._show(stage.table, done)

    def _answers(self, stage: "_Stage", missing: list[str]) -> Iterator[tuple[str, list[Row]]]:
        if stage.vlm is None or not missing:
            return ((shard, []) for shard in missing)
        return ask_all(stage.vlm, self._directory, self._manifest, missing, stage.question)

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
            self._show("labels", done + 1)
        digest = manifest_digest(
            {f"{table}/{shard}": self._digest(table, shard) for table in ("labels", "groups") for shard in self._shards}
        )
        digests = (self._manifest.digest, digest)
        record = labels_record(config, digests, self._scale, fidelity, everything, labelled)
        write_review(self._directory, self._manifest, labelled)
        write_text(self._directory / LABELS_FILE, json.dumps(record, indent=1) + "\n")

    def _explain(self) -> None:
        """Write the explanations after the labels; only judge training reads them."""
        config = self._config.explanations
        if config is None:
            return
        for done, shard in enumerate(self._shards):
            recipe = recipe_of(_VERSION, config.model_dump(mode="json"), self._digest("labels", shard))
            if not self._finished("explanations", shard, recipe):
                groups = list(annotated_groups(self._directory, self._manifest, shard))
                write_shard(
                    self._directory / "explanations" / shard, EXPLANATIONS, explain_groups(config, groups), recipe
                )
            self._show("explanations", done + 1)

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

    def _show(self, stage: Stage, done: int) -> None:
        self._progress.update(ProgressLine(stage, done, len(self._shards), "shards"))

    def _rows(self, table: Stage, shard: str) -> list[Row]:
        return read_shard(self._made(table, shard))

    def _picture_digests(self, shard: str) -> list[str]:
        files = [f"inputs/{shard}", *transition_files(self._manifest, shard)]
        return [self._manifest.shards[file] for file in files]

    def _digest(self, table: str, shard: str) -> str:
        return sha256(self._made(table, shard))

    def _made(self, table: str, shard: str) -> Path:
        """The file of a shard that an earlier stage has made. Raises BadDataset naming the stage that has not."""
        path = self._directory / table / shard
        if not path.is_file():
            raise BadDataset(f"{path}: missing: run the stage `{table}` first")
        return path

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


def measure_shard(directory: Path, manifest: Manifest, shard: str, recipe: str, use_dists: bool) -> None:
    """Write one shard of the measurements table."""
    groups = read_shard_groups(directory, manifest, shard)
    rows = [row for group in groups for row in measure_group(group, use_dists)]
    write_shard(directory / "measurements" / shard, MEASUREMENTS, rows, recipe)


@dataclass(frozen=True)
class _Stage:
    """The makers of a stage's rows: by metrics and, if there is one, by a model that overrides them."""

    table: Stage
    schema: pa.Schema
    config: AnchorsConfig | ComparisonsConfig
    make: Callable[[Measured], list[Row]]
    vlm: VlmConfig | None
    question: Question
    column: str
    source_column: str


class _Measuring:
    """The actor: metric networks are loaded once."""

    def __init__(
        self, directory: Path, manifest: Manifest, work: list[tuple[str, str]], use_dists: bool, threads: int
    ) -> None:
        torch.set_num_threads(threads)
        self._directory, self._manifest, self._work, self._use_dists = directory, manifest, work, use_dists

    def __call__(self, row: Row) -> Row:
        measure_shard(self._directory, self._manifest, *self._work[row["item"]], self._use_dists)
        return row
