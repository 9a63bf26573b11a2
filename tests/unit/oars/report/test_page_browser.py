"""The report in a real browser: the held-out table is whole on a laptop's window and scrolls by itself on less."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import PATH, Page, chromium

from oars.evaluation.intervals import Interval
from oars.report import write_report
from oars.report.summary import HeldOut, Summary, write_summary

pytest.importorskip("websockets.sync.client")
pytestmark = pytest.mark.skipif(PATH is None, reason="needs Chromium")

# The longest name, and figures with many places.
MEANS = {"reward": 0.8431, "psnr": 23.417, "added_speckle": -0.1123, "shift": -0.00421}


def interval(mean: float) -> Interval:
    return Interval(mean=mean, low=mean - abs(mean) / 8, high=mean + abs(mean) / 8, count=24)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    metrics = {name: interval(mean) for name, mean in MEANS.items()}
    held_out = {model: HeldOut(metrics=metrics, images=24, failed=0) for model in ("bicubic", "base", "sft", "aligned")}
    results = {"held_out": held_out, "paired": {"aligned-sft": metrics}}
    told = {"run_id": "r", "name": "n", "status": "succeeded", "started_at": ""}
    write_summary(Summary.model_validate(told | results), tmp_path)
    with chromium(tmp_path / "browser") as opened:
        opened.open(write_report(tmp_path).as_uri())
        yield opened


def widths(page: Page, window: int) -> list[int]:
    """Of the table's frame and what is in it, of the window and the page."""
    page.call("Emulation.setDeviceMetricsOverride", width=window, height=900, deviceScaleFactor=1, mobile=False)
    frame, whole = "document.querySelector('.scroll')", "document.documentElement"
    found: list[int] = page.evaluate(
        f"[{frame}.clientWidth, {frame}.scrollWidth, {whole}.clientWidth, {whole}.scrollWidth]"
    )
    return found


def test_the_held_out_table_needs_no_scrolling_on_a_laptop_and_never_widens_the_page(page: Page) -> None:
    frame, table, window, whole = widths(page, 1200)
    assert table == frame and whole == window
    frame, table, window, whole = widths(page, 800)
    assert table > frame and whole == window
