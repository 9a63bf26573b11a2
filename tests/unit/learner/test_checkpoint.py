"""A checkpoint directory is whole or it is refused."""

from pathlib import Path

import pytest

from learner import checkpoint
from learner.checkpoint import BadCheckpoint, DamagedCheckpoint, read_manifest, verify
from oars.files import begin_directory, publish_directory


def write(path: Path, content: str) -> None:
    aside = begin_directory(path)
    (aside / "engine").mkdir()
    (aside / "engine" / "state.pt").write_text(content)
    (aside / "adapters.safetensors").write_text("adapters")
    checkpoint.write_manifest(aside, {"phase": "rl", "state": {"steps": 3}}, checkpoint.digests(aside))
    publish_directory(path)


def test_what_was_written_is_handed_back(tmp_path: Path) -> None:
    write(tmp_path / "step_3", "weights")
    manifest = verify(tmp_path / "step_3")
    assert manifest == read_manifest(tmp_path / "step_3")
    assert (manifest["phase"], manifest["state"]) == ("rl", {"steps": 3})
    assert [entry.name for entry in tmp_path.iterdir()] == ["step_3"]


@pytest.mark.parametrize("world", [2, 3, 5])
def test_ranks_share_the_reading_of_what_they_wrote(tmp_path: Path, world: int) -> None:
    for name, size in {"a": 4, "b": 40, "c": 39, "d": 5}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    parts = [checkpoint.digests(tmp_path, rank, world) for rank in range(world)]
    together = {name: entry for part in parts for name, entry in part.items()}
    assert together == checkpoint.digests(tmp_path) and sum(map(len, parts)) == 4
    assert max(sum(int(size) for size, _ in part.values()) for part in parts) < 50, "no rank reads both large files"


def test_writing_again_replaces_the_whole_directory(tmp_path: Path) -> None:
    write(tmp_path / "step_3", "weights")
    write(tmp_path / "step_3", "other weights")
    assert (tmp_path / "step_3" / "engine" / "state.pt").read_text() == "other weights"
    assert [entry.name for entry in tmp_path.iterdir()] == ["step_3"]
    verify(tmp_path / "step_3")


def test_an_interrupted_write_leaves_the_old_one_and_is_cleared(tmp_path: Path) -> None:
    write(tmp_path / "step_3", "weights")
    (begin_directory(tmp_path / "step_3") / "half").write_text("written")
    verify(tmp_path / "step_3")
    write(tmp_path / "step_3", "weights")
    assert not (tmp_path / "step_3" / "half").exists()


def tear(path: Path, how: str) -> None:
    state = path / "engine" / "state.pt"
    match how:
        case "truncated":
            state.write_text("weigh")
        case "flipped":
            state.write_text("weighty")
        case "removed":
            state.unlink()
        case "half a manifest":
            manifest = path / checkpoint.MANIFEST
            manifest.write_text(manifest.read_text()[:20])
        case "no manifest":
            (path / checkpoint.MANIFEST).unlink()


@pytest.mark.parametrize("how", ["truncated", "flipped", "removed", "half a manifest", "no manifest"])
def test_a_torn_checkpoint_is_one_clear_line(tmp_path: Path, how: str) -> None:
    write(tmp_path / "step_3", "weights")
    tear(tmp_path / "step_3", how)
    with pytest.raises(DamagedCheckpoint) as raised:
        verify(tmp_path / "step_3")
    assert str(tmp_path / "step_3") in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_flipped_bit_anywhere_in_the_manifest_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "step_3", "weights")
    manifest = tmp_path / "step_3" / checkpoint.MANIFEST
    whole = manifest.read_bytes()
    for place in range(len(whole)):
        manifest.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BadCheckpoint, match="manifest"):
            verify(tmp_path / "step_3")


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="step_9: no checkpoint there"):
        verify(tmp_path / "step_9")
