"""A file that is not there, no JSON, or not the model's is one line that names it and the field."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from oars.errors import UserError
from oars.json_files import read_json


class Inner(BaseModel):
    count: int


class Outer(BaseModel):
    inner: Inner


def complaint(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read_json(path, Outer, UserError)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(Outer(inner=Inner(count=3)).model_dump_json())
    assert read_json(path, Outer, UserError) == Outer(inner=Inner(count=3))


def test_a_fault_names_file_and_field(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert complaint(path) == f"{path}: No such file or directory"
    path.write_text("{")
    assert complaint(path).startswith(f"{path}: Invalid JSON")
    path.write_bytes(b"\xff")
    assert complaint(path).startswith(f"{path}: ")
    path.write_text('{"inner": {"count": "many"}}')
    assert complaint(path).startswith(f"{path}: inner.count: Input should be a valid integer")
