"""Exact duplicates are answered from memory, within a bound, and nothing else is."""

from collections import OrderedDict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reward_server.pictures import View
from reward_server.score_cache import ScoreCache

PICTURE = Image.fromarray(np.zeros((1, 1, 3), np.uint8))


def view(name: int) -> View:
    return View(PICTURE, str(name))


@given(st.integers(0, 4), st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 3))))
def test_it_is_a_bounded_memory_that_forgets_what_was_not_asked_for_longest(
    size: int, steps: list[tuple[bool, int, int]]
) -> None:
    known, model = ScoreCache("judge", "p", size), OrderedDict[tuple[int, int], int]()
    for number, (keep, lr, sr) in enumerate(steps):
        if keep:
            known.keep([view(lr), view(sr)], {0: float(number)})
            model[lr, sr] = number
            model.move_to_end((lr, sr))
            while len(model) > size:
                model.popitem(last=False)
        else:
            if (lr, sr) in model:
                model.move_to_end((lr, sr))
            expected = {0: float(model[lr, sr])} if (lr, sr) in model else None
            assert known.get([view(lr), view(sr)]) == expected
        assert len(known) == len(model) <= size


def test_a_picture_is_not_a_transition() -> None:
    known = ScoreCache("judge", "p", 8)
    known.keep([view(1)], {0: 1.0})
    assert known.get([view(1), view(1)]) is None
    assert known.get([view(1)]) == {0: 1.0}
