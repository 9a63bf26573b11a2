"""Multimodal annotators on the real vLLM engine: a small Qwen3-VL with random weights, so only its form is judged."""

from pathlib import Path

import numpy as np
from compass_data import write_tiny_dataset
from served_judge import judge_config, sharp_judge  # noqa: F401

from oars.compass.data.dataset import read_manifest, shard_names
from oars.config.annotation import VlmConfig
from services.reward_modeling.annotators import anchors_of, ask_all, comparisons_of


def test_a_data_set_is_asked_shard_by_shard_and_every_answer_is_read(
    sharp_judge: Path,  # noqa: F811
    ray_cluster: None,
    tmp_path: Path,
) -> None:
    write_tiny_dataset(tmp_path, groups=3, enhancers=3, per_shard=2)
    manifest = read_manifest(tmp_path)
    config = VlmConfig(engine=judge_config(sharp_judge), max_tokens=2)
    compared = dict(ask_all(config, tmp_path, manifest, shard_names(manifest), comparisons_of))
    assert {shard: len(rows) for shard, rows in compared.items()} == {"00000.parquet": 6, "00001.parquet": 3}
    values = [row["value"] for rows in compared.values() for row in rows]
    assert all(0 < value < 1 for value in values) and np.ptp(values) > 0
    rated = dict(ask_all(config, tmp_path, manifest, ["00001.parquet"], anchors_of))
    assert [row["enhancer"] for row in rated["00001.parquet"]] == ["", "method_0", "method_1", "method_2"]
    assert all(row["value"] is None or 1 <= row["value"] <= 5 for row in rated["00001.parquet"])
