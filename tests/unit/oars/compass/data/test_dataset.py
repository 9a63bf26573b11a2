"""The reader gives back what was written, group by group, and says in one line what is not finished."""

from pathlib import Path

import numpy as np
import pytest
from compass_data import curated_groups, write_tiny_dataset

from oars.compass.data.dataset import LABELS_FILE, MANIFEST, BadDataset, read_groups
from oars.compass.data.tables import GROUPS, INPUTS, is_finished, read_shard, write_shard
from oars.imaging.image_io import decode_lossless, encode_png


def test_groups_come_back_joined_and_in_order(tmp_path: Path) -> None:
    write_tiny_dataset(tmp_path, groups=8, enhancers=4, per_shard=3)
    groups = list(read_groups(tmp_path))
    assert len(groups) == 8
    for group in groups:
        assert group.enhancers == ("method_0", "method_1", "method_2", "method_3")
        assert group.families == ("regression", "generative", "regression", "generative")
        assert group.sr.shape == (4, 32, 32, 3) and group.sr.dtype == np.uint8
        assert (np.diff(group.q) < 0).all() and (np.diff(group.rank) < 0).all() and group.q_lr == 2.0
        real = group.kind == "real"
        assert (group.gt is None) == real == bool(np.isnan(group.fidelity).all()) == bool(np.isnan(group.strength))
        assert np.isnan(group.metrics["psnr"]).all() == real and np.isfinite(group.metrics["niqe32"]).all()
    assert [g.input_id for g in groups] == [g.input_id for g in read_groups(tmp_path)]


def test_splits_and_verdicts_select_groups(tmp_path: Path) -> None:
    write_tiny_dataset(tmp_path, groups=8)
    by_split = [list(read_groups(tmp_path, split)) for split in ("train", "validation", "evaluation")]
    assert [len(groups) for groups in by_split] == [4, 2, 2]
    assert {group.photo for group in by_split[0]} == {"photo_0", "photo_1"}
    assert len(list(read_groups(tmp_path, kept_only=True))) == 7


def test_unfinished_or_stale_data_sets_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="curate"):
        next(read_groups(tmp_path))
    write_tiny_dataset(tmp_path)
    (tmp_path / LABELS_FILE).unlink()
    assert len(curated_groups(tmp_path)) == 8
    with pytest.raises(BadDataset, match="annotate"):
        next(read_groups(tmp_path))
    write_tiny_dataset(tmp_path)
    manifest = tmp_path / MANIFEST
    manifest.write_text(
        manifest.read_text().replace('"digest":"', '"digest":"0').replace('"digest": "', '"digest": "0')
    )
    with pytest.raises(BadDataset, match="again"):
        next(read_groups(tmp_path))


def test_labels_of_an_older_schema_are_one_line(tmp_path: Path) -> None:
    write_tiny_dataset(tmp_path)
    labels = tmp_path / LABELS_FILE
    labels.write_text(labels.read_text().replace('"schema_version": 2', '"schema_version": 1'))
    with pytest.raises(BadDataset, match=r"labels\.json: labels of schema 1, expected 2: run `oars compass annotate`"):
        next(read_groups(tmp_path))


def test_a_shard_is_lossless_ordered_and_known_by_its_recipe(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (17, 23, 3)).astype(np.uint8) for name in ("b", "a")}
    common = {"photo": "p", "split": "train", "kind": "real", "strength": None, "gt": None}
    rows = [{"input_id": name, "lr": encode_png(image), **common} for name, image in images.items()]
    path, again = tmp_path / "x" / "0.parquet", tmp_path / "1.parquet"
    write_shard(path, INPUTS, rows, "recipe")
    write_shard(again, INPUTS, rows[::-1], "recipe")
    assert path.read_bytes() == again.read_bytes()
    assert is_finished(path, "recipe") and not is_finished(path, "other") and not is_finished(tmp_path / "2", "recipe")
    read = read_shard(path)
    assert [row["input_id"] for row in read] == ["a", "b"]
    assert all(np.array_equal(decode_lossless(row["lr"]), images[row["input_id"]]) for row in read)
    assert [file.name for file in path.parent.iterdir()] == ["0.parquet"]


@pytest.mark.parametrize("kept", [0, 3, -1])
def test_a_shard_that_was_cut_short_is_not_finished(kept: int, tmp_path: Path) -> None:
    row = {"input_id": "a", "alpha": None, "beta": None, "kept": True, "reason": ""}
    path = tmp_path / "0.parquet"
    write_shard(path, GROUPS, [row], "recipe")
    assert is_finished(path, "recipe")
    path.write_bytes(path.read_bytes()[:kept])
    assert not is_finished(path, "recipe")
