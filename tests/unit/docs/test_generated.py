"""The generated pages agree with the code: after a change of it, `python -m docs.generate` writes them anew."""

from pathlib import Path

import pytest

from docs.generate.__main__ import PAGES
from oars.config import RunConfig

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run `python -m docs.generate`"


def test_every_field_is_explained() -> None:
    rows = [line for line in PAGES["configuration.md"]().splitlines() if line.startswith("| `")]
    assert set(RunConfig.model_fields) <= {row.split("`")[1] for row in rows}
    assert not [row for row in rows if row.endswith("|  |")]
