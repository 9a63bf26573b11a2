"""`oars score` on pictures of any size: the tiles of a pair cover it once and belong together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oars.compass.outcome import CandidateOutcome, Failed, FailureReason, Scored
from oars.compass.views import MAX_ASPECT
from oars.imaging.image_io import Pixels
from services.results.transition import Verdict, tiles, verdict

LEAST, LIMIT = 16 * 16, 64 * 64


class Brightness:
    """Scores by mean value, so that a mean over tiles can be checked; fails where the SR is black."""

    judge = "brightness"
    min_pixels, max_pixels = LEAST, LIMIT

    def score(self, lr: Pixels, sr: Pixels) -> CandidateOutcome:
        if not sr.any():
            return Failed(reason=FailureReason.BAD_IMAGE, detail="black")
        return Scored(readings={"fidelity": float(sr.mean()) / 255, "q_lr": 2, "q_sr": 3, "confidence": 1}, reward=1)


@given(st.integers(8, 200), st.integers(8, 200), st.integers(1, 4))
def test_tiles_cover_the_pair_once_and_fit_the_judge(height: int, width: int, scale: int) -> None:
    lr = np.arange(height * width).reshape(height, width, 1)
    sr = np.arange(height * width * scale**2).reshape(height * scale, width * scale, 1)
    pieces = list(tiles(lr, sr, LEAST, LIMIT))  # type: ignore[arg-type]
    for which, whole in enumerate((lr, sr)):
        covered = np.concatenate([piece[which].ravel() for piece in pieces])
        np.testing.assert_array_equal(np.sort(covered), whole.ravel())
    assert all(piece[1].size <= LIMIT for piece in pieces)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("size", [(8, 5000), (12, 6000), (8, 512), (31, 3000), (300, 64000), (64, 64)])
def test_pieces_of_flat_pictures_are_what_the_judge_takes(size: tuple[int, int], turned: bool) -> None:
    """With the bounds of the miniature judge."""
    least, most = 64 * 64, 256 * 256
    sr = np.zeros((*(size[::-1] if turned else size), 3), np.uint8)
    for _, piece in tiles(sr, sr, least, most):
        height, width = piece.shape[:2]
        assert least <= height * width <= most and max(height, width) <= MAX_ASPECT * min(height, width)


def test_a_verdict_is_the_mean_over_tiles() -> None:
    sr = np.full((128, 128, 3), 102, np.uint8)
    sr[:64, :64] = 204
    result = verdict(sr[::4, ::4], sr, Brightness())
    assert isinstance(result, Verdict)
    assert result.tiles == 4
    assert result.readings["fidelity"] == pytest.approx((0.8 + 3 * 0.4) / 4)


def test_one_tile_without_a_score_fails_the_whole() -> None:
    sr = np.full((128, 64, 3), 9, np.uint8)
    sr[64:] = 0
    result = verdict(sr[::4, ::4], sr, Brightness())
    assert isinstance(result, Failed) and result.detail == "black"
