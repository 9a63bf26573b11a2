"""Names of files become text that every table, ledger and terminal takes; plain names stay as they are."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oars.names import printable


@pytest.mark.parametrize("name", ["a.png", "Straße 1/é (2).jpg", "日本.png", "\N{CAMERA}.png", "a,<b>.png", "-rf.png"])
def test_plain_names_stay(name: str) -> None:
    assert printable(name) == name


def test_what_is_no_text_is_escaped() -> None:
    assert printable(os.fsdecode(b"\x83t\x83H.png")) == "\\x83t\\x83H.png"
    assert printable("a\nb\u2028c\ud800.png") == "a\\nb\\u2028c\\ud800.png"


@given(st.binary(min_size=1, max_size=40))
def test_every_name_becomes_one_line_of_utf_8(raw: bytes) -> None:
    name = printable(os.fsdecode(raw))
    assert name.encode().decode() == name and len(name.splitlines()) <= 1
