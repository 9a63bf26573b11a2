"""What a user can fix is named once, where it is."""

import pytest

from oars.errors import UserError, naming


class BadThing(UserError, ValueError):
    """Of this test."""


def test_a_field_is_put_in_front_of_an_error_of_its_kind() -> None:
    with pytest.raises(BadThing, match=r"^judge: broken$"), naming("judge", BadThing):
        raise BadThing("broken")


def test_another_error_passes_as_it_is() -> None:
    with pytest.raises(ValueError, match=r"^broken$"), naming("judge", BadThing):
        raise ValueError("broken")
