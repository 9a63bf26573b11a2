"""The pictures that a run keeps, and the data set that they become."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from oars.compass.data.dataset import BadDataset, read_manifest, read_shard_groups, shard_names
from oars.compass.data.run_pictures import (
    BICUBIC,
    EXAGGERATED,
    PICTURES,
    POLICY,
    TIMID,
    TRUTH,
    RunPicture,
    keep_pictures,
    read_pictures,
    transitions_of,
    write_data_set,
)
from oars.compass.views import lr_view
from oars.imaging.crops import Pair

Pixels = NDArray[np.uint8]

SIDE = 32


def group(index: int) -> tuple[Pair, Pixels]:
    rng = np.random.default_rng(index)

    def draw(*shape: int) -> NDArray[np.uint8]:
        return rng.integers(80, 176, shape, dtype=np.uint8)

    pair = Pair(f"folder/photo-{index % 8}.png@3,4+{SIDE}#{index}", draw(8, 8, 3), draw(SIDE, SIDE, 3))
    return pair, draw(6, SIDE, SIDE, 3)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Forty groups of eight photos."""
    for index in range(40):
        keep_pictures(tmp_path / PICTURES / f"group-{index:02d}.npz", *group(index), count=3)
    return tmp_path


def test_what_was_kept_reads_back(run: Path) -> None:
    pictures = list(read_pictures(run))
    assert [picture.name for picture in pictures] == [f"group-{index:02d}" for index in range(40)]
    pair, images = group(9)
    assert pictures[9].photo == "folder/photo-1.png" and np.array_equal(pictures[9].sr, images[:3])
    assert pair.gt is not None and np.array_equal(pictures[9].gt, pair.gt)


def test_the_data_set_has_each_group_with_its_candidates_and_photos_in_one_split(run: Path, tmp_path: Path) -> None:
    write_data_set(run, tmp_path / "data")
    manifest = read_manifest(tmp_path / "data")
    groups = [g for shard in shard_names(manifest) for g in read_shard_groups(tmp_path / "data", manifest, shard)]
    assert len(groups) == 40 and {g.kind for g in groups} == {"synthetic"}
    names = {BICUBIC, TRUTH, POLICY, "policy_1", "policy_2", TIMID, EXAGGERATED}
    assert all(set(g.enhancers) == names for g in groups)
    splits: dict[str, set[str]] = {}
    for one in groups:
        splits.setdefault(one.photo, set()).add(one.split)
    assert all(len(split) == 1 for split in splits.values())
    assert set.union(*splits.values()) == {"train", "validation"}
    _, images = group(5)
    assert np.array_equal(groups[5].sr[groups[5].enhancers.index("policy_2")], images[2])


def test_progress_is_told_every_few_groups(run: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_data_set(run, tmp_path / "data", lambda done, total: told.append((done, total)))
    assert told == [(done, 40) for done in (8, 16, 24, 32, 40)]


def test_the_same_run_gives_the_same_digest(run: Path, tmp_path: Path) -> None:
    assert write_data_set(run, tmp_path / "a").digest == write_data_set(run, tmp_path / "b").digest


def test_exaggeration_adds_more_of_what_the_policy_added() -> None:
    pair, images = group(0)
    assert pair.gt is not None
    made = transitions_of(RunPicture("g", "p", pair.lr, pair.gt, images[:2]))
    low = lr_view(pair.lr, SIDE, SIDE).astype(int)
    inside = np.abs(images[0].astype(int) - low) < 40  # nothing is clipped
    added = (images[0].astype(int) - low)[inside]
    assert np.abs((made[EXAGGERATED].astype(int) - low)[inside] - 1.7 * added).max() <= 0.51
    assert np.abs((made[TIMID].astype(int) - low)[inside] - 0.5 * added).max() <= 0.51


def test_a_run_without_pictures_or_with_too_few_photos_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="FR-RL kept none"):
        write_data_set(tmp_path, tmp_path / "data")
    keep_pictures(tmp_path / PICTURES / "group.npz", *group(0), count=2)
    with pytest.raises(BadDataset, match="pictures of 1 photos, 3 are needed"):
        write_data_set(tmp_path, tmp_path / "data")
