"""What the evaluation asks the judge has a name that the wire takes, whatever a photo is called."""

import asyncio

import fake_roles
import numpy as np
import pytest

from oars.compass.outcome import CandidateOutcome
from oars.imaging.crops import Pair
from reward_server.schema import ScoreHeader
from services.results.held_out import scores

PICTURE = np.zeros((8, 8, 3), np.uint8)


class WireJudge(fake_roles.Judge):
    """Checks each request as COMPASS does."""

    async def score_one(self, request_id: str, pair: Pair, image: object) -> CandidateOutcome:
        self.counts[ScoreHeader(request_id=request_id).request_id] = 1
        return self.outcomes(request_id)[0]


@pytest.mark.parametrize("name", ["holiday photo (1).jpg", "Zürich.jpg", "two\nlines.png", "x" * 255])
def test_any_name_of_a_photo(name: str) -> None:
    judge = WireJudge()
    pairs = [Pair(f"{name}@{left},0+8", PICTURE[::4, ::4], PICTURE) for left in (0, 8)]
    outcomes = asyncio.run(scores(judge, "run.base", [PICTURE] * 2, pairs))
    assert len(outcomes) == len(judge.counts) == 2
