"""Files and directories are whole or as they were, and are on the disk before they take their name."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from oars.files import write_directory, write_text, write_whole

Writer = Callable[[Path, str], None]


def write_file(path: Path, content: str) -> None:
    write_text(path, content)


def write_folder(path: Path, content: str) -> None:
    write_directory(path, lambda aside: (aside / "inside").write_text(content))


def content_of(path: Path) -> str:
    return (path / "inside" if path.is_dir() else path).read_text()


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_writing_again_replaces_and_leaves_nothing_beside(tmp_path: Path, write: Writer) -> None:
    for content in ("first", "second"):
        write(tmp_path / "below" / "name", content)
        assert content_of(tmp_path / "below" / "name") == content
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["name"]


@pytest.mark.parametrize(("write", "whole"), [(write_file, write_whole), (write_folder, write_directory)])
def test_a_writer_that_fails_changes_nothing(tmp_path: Path, write: Writer, whole: Callable[..., None]) -> None:
    write(tmp_path / "name", "first")

    def fail(aside: Path) -> None:
        (aside / "inside" if aside.is_dir() else aside).write_text("half")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        whole(tmp_path / "name", fail)
    assert content_of(tmp_path / "name") == "first"


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_contents_are_synced_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, write: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append((Path(os.readlink(f"/proc/self/fd/{descriptor}")).name, (tmp_path / "name").exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write(tmp_path / "name", "content")
    assert [there for _, there in synced] == [False] * (len(synced) - 1) + [True]
    assert synced[-1][0] == tmp_path.name
    assert synced[0][0].startswith(".name") or synced[0][0] == "inside"
