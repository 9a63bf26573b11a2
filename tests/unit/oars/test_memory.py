"""Amounts of memory for people."""

import pytest

from oars.memory import readable_bytes


@pytest.mark.parametrize(("count", "shown"), [(67.33e9, "67.3 GB"), (1e9, "1.0 GB"), (19.7e6, "20 MB"), (0, "0 MB")])
def test_amounts_below_a_gigabyte_are_in_megabytes(count: float, shown: str) -> None:
    assert readable_bytes(count) == shown
