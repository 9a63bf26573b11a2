"""Multimodal annotators on the real vLLM engine: a small Qwen3-VL with random weights, so only its form is judged."""

from pathlib import Path

import numpy as np
import pytest
from compass_data import write_tiny_dataset
from served_judge import judge_config, sharp_judge  # noqa: F401

from oars.compass.data.dataset import CuratedGroup, read_manifest, shard_names
from oars.compass.data.tables import Row
from oars.config.annotation import VlmConfig
from services.reward_modeling.annotators import VlmEngine, anchors_of, ask_all, comparisons_of

pytestmark = pytest.mark.engine


def test_a_data_set_is_asked_shard_by_shard_and_every_answer_is_read(
    sharp_judge: Path,  # noqa: F811
    ray_cluster: None,
    tmp_path: Path,
) -> None:
    write_tiny_dataset(tmp_path, groups=3, enhancers=3, per_shard=2)
    manifest = read_manifest(tmp_path)
    config = VlmConfig(engine=judge_config(sharp_judge), max_tokens=2)

    def both(engine: VlmEngine, group: CuratedGroup) -> list[Row]:
        """Of one engine, which takes half a minute to start."""
        compared, rated = comparisons_of(engine, group), anchors_of(engine, group)
        rows = [{"asked": f"{row['first']} {row['second']}", "value": row["value"]} for row in compared]
        return rows + [{"asked": row["enhancer"], "value": row["value"]} for row in rated]

    told = dict(ask_all(config, tmp_path, manifest, shard_names(manifest)[::-1], both))
    assert {shard: len(rows) for shard, rows in told.items()} == {"00000.parquet": 2 * 7, "00001.parquet": 7}
    compared, rated = told["00001.parquet"][:3], told["00001.parquet"][3:]
    assert [row["asked"] for row in compared] == [
        "method_0 method_1",
        "method_0 method_2",
        "method_1 method_2",
    ]
    values = [row["value"] for rows in told.values() for row in rows if " " in row["asked"]]
    assert all(0 < value < 1 for value in values) and np.ptp(values) > 0
    assert [row["asked"] for row in rated] == ["", "method_0", "method_1", "method_2"]
    assert all(row["value"] is None or 1 <= row["value"] <= 5 for row in rated)
