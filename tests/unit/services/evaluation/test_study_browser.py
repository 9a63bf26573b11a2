"""The raters' page in a real browser: votes by keyboard reach the server, a reload goes on, the tally is right."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from chromium import PATH, Page, chromium

from oars.evaluation.study import Scene
from oars.evaluation.study_records import Study
from services.evaluation.study_files import PAGE, make_study, read_study, tally_study
from services.evaluation.study_server import addresses, make_server
from services.evaluation.votes import open_votes, read_votes

pytest.importorskip("websockets.sync.client")
pytestmark = pytest.mark.skipif(PATH is None, reason="needs Chromium")


def scene(number: int) -> Scene:
    """A bright model and a dark one."""
    rng = np.random.default_rng(number)
    base = rng.integers(60, 120, (64, 96, 3), dtype=np.uint8)
    values = {"bright": {"psnr": 30.0}, "dark": {"psnr": 20.0}}
    return Scene(
        f"scene {number}", base[::4, ::4], base + np.uint8(45), {"bright": base + np.uint8(90), "dark": base}, values
    )


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Four scenes and two checks, in a folder."""
    folder = tmp_path / "study"
    make_study([scene(number) for number in range(4)], folder, None, 2, 512, True, seed=1)
    return folder


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with chromium(tmp_path / "browser") as opened:
        yield opened


BRIGHTNESS = """
(pane => { const image = document.querySelector(pane + ' img'), canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0, square = 0, n = data.length / 4;
  for (let i = 0; i < data.length; i += 4) { sum += data[i]; square += data[i] * data[i]; }
  return [sum / n, square / n - (sum / n) ** 2]; })"""


def vote_as_one_who_likes_bright_and_sharp(page: Page, count: int) -> None:
    for _ in range(count):
        done = page.evaluate("Number(document.body.dataset.done)")
        page.wait_for("document.querySelector('button').disabled === false")
        page.press(bright_and_sharp_side(page))
        page.wait_for(f"Number(document.body.dataset.done) === {done + 1}")


def bright_and_sharp_side(page: Page) -> str:
    """The key for it, from the pixels that are shown, as a person sees them."""
    (left, left_spread), (right, right_spread) = (
        page.evaluate(f"{BRIGHTNESS}('{pane}')") for pane in (".left", ".right")
    )
    same = abs(left - right) < 20  # a check: one of the two is blurred
    return "ArrowLeft" if (left_spread > right_spread if same else left > right) else "ArrowRight"


def served(folder: Path, made: Study, page: Page, votes: int) -> None:
    """Vote on some trials, and have the page say that the server has them."""
    vote_as_one_who_likes_bright_and_sharp(page, votes)
    page.wait_for("document.body.dataset.unsent === '0'")


def test_votes_by_keyboard_reach_the_server_and_the_tally(study: Path, page: Page) -> None:
    made = read_study(study)
    with open_votes(study) as votes, make_server(study, made, votes, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            [link] = addresses("127.0.0.1", server.server_port, votes.new_raters(1))
            page.open(link)
            page.wait_for("document.body.dataset.done === '0'")
            assert "bright" not in page.evaluate("document.documentElement.outerHTML").replace("brightness", "")
            served(study, made, page, 3)
            page.open("about:blank")
            page.open(link)
            page.wait_for("document.body.dataset.done === '3'")
            served(study, made, page, 3)
            page.wait_for("document.querySelector('dialog').open")
        finally:
            server.shutdown()
            thread.join()
    assert len(read_votes(study)) == 6
    result = tally_study(study, [])
    [rater] = result.raters
    assert (rater.checks, rater.right, rater.kept) == (2, 2, True)
    assert [row.model for row in result.models] == ["bright", "dark"]
    assert result.pairs[0].share.mean == 1.0
    assert [(row.name, row.share.mean) for row in result.followers] == [("psnr", 1.0)]


def test_flicker_zoom_original_and_one_back_without_a_server(study: Path, page: Page, tmp_path: Path) -> None:
    page.open((study / PAGE).as_uri())
    page.wait_for("document.querySelector('button').disabled === false")
    shown = "document.querySelector('.left img').src"
    both = [page.evaluate(f"document.querySelector('.{side} img').src") for side in ("left", "right")]
    seen = []
    for _ in range(2):
        page.press(" ")
        seen.append(page.evaluate(shown))
    assert seen == both
    assert page.evaluate("getComputedStyle(document.querySelector('.right')).display") == "none"
    page.press("s")
    sizes = "[...document.querySelectorAll('.view img')].map(image => image.clientWidth + 'x' + image.clientHeight)"
    assert page.evaluate(sizes) == ["576x384"] * 2  # six screen pixels a pixel: the most that fits
    page.press("+")
    assert float(page.evaluate("document.body.style.getPropertyValue('--zoom')")) > 1.4
    page.call("Input.dispatchKeyEvent", type="keyDown", key="g", text="g", windowsVirtualKeyCode=71)
    original = page.evaluate(shown)
    page.call("Input.dispatchKeyEvent", type="keyUp", key="g", windowsVirtualKeyCode=71)
    assert page.evaluate(shown) == both[0] != original
    page.press("ArrowDown")
    page.wait_for("document.body.dataset.done === '1' && document.querySelector('button').disabled === false")
    page.press("Backspace")
    page.wait_for(f"{shown} === {json.dumps(both[0])} && document.querySelector('button').disabled === false")
    vote_again = "Object.values(votes).map(vote => vote.choice)"
    assert page.evaluate(vote_again) == ["tie"]
    page.press(bright_and_sharp_side(page))
    page.wait_for(f"['a', 'b'].includes({vote_again}[0])")
    assert page.evaluate("Object.keys(votes).length") == 1
    vote_as_one_who_likes_bright_and_sharp(page, 5)
    saved = tmp_path / "votes.json"
    saved.write_text(page.evaluate("fetch(document.querySelector('dialog a').href).then(file => file.text())"))
    assert tally_study(study, [saved]).votes == 4
