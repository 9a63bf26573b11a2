"""A request's pictures: a bad one fails alone, and equal pictures are one view."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from oars.compass.outcome import Failed, FailureReason
from oars.config import JudgeConfig
from reward_server.errors import BadRequest
from reward_server.pictures import Group, Pixels, View, decode_all, from_base64, from_raw, prepare

CONFIG = JudgeConfig(min_pixels=64, max_pixels=4096)


def picture(seed: int, height: int = 32, width: int = 48) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(pixels: Pixels, form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, lossless=True)
    return buffer.getvalue()


def test_bad_candidates_fail_alone() -> None:
    bad: list[Any] = [
        picture(1).astype(np.float32),
        picture(1)[..., :1],
        picture(1, 2, 2),
        picture(1, 100, 100),
        picture(1, 48, 32),
        Failed(reason=FailureReason.BAD_IMAGE, detail="undecodable"),
    ]
    group = prepare(picture(0, 8, 12), [picture(2), *bad, picture(3)], CONFIG)
    assert isinstance(group, Group)
    first, *failed, last = group.candidates
    assert isinstance(first, View) and isinstance(last, View)
    assert [isinstance(slot, Failed) and slot.reason for slot in failed] == [FailureReason.BAD_IMAGE] * len(bad)
    assert group.lr.image.size == (48, 32)


@pytest.mark.parametrize(("height", "width"), [(4, 1000), (1000, 4)])
def test_a_picture_longer_than_the_judge_takes_is_bad(height: int, width: int) -> None:
    group = prepare(picture(0, 8, 8), [picture(1, height, width)], CONFIG)
    assert isinstance(group, Group)
    detail = f"candidate 0: {width}x{height} pixels are 250:1, at most 200:1"
    assert group.candidates == [Failed(reason=FailureReason.BAD_IMAGE, detail=detail)]


def test_a_bad_lr_fails_the_group() -> None:
    group = prepare(picture(0, 100, 100), [picture(1)], CONFIG)
    assert isinstance(group, Failed)
    assert group.detail.startswith("LR: ")


def test_a_group_without_a_good_candidate_keeps_every_reason() -> None:
    group = prepare(picture(0, 8, 8), [picture(1, 1, 1), picture(1, 2, 2)], CONFIG)
    assert isinstance(group, Group)
    details = [slot.detail for slot in group.candidates if isinstance(slot, Failed)]
    assert details == ["candidate 0: 1 pixels, expected 64 to 4096", "candidate 1: 4 pixels, expected 64 to 4096"]


def test_a_view_is_named_by_its_pixels_and_shape() -> None:
    flat = np.zeros((32, 48, 3), np.uint8)
    group = prepare(flat, [flat, picture(1), picture(1)], CONFIG)
    other = prepare(flat.reshape(48, 32, 3), [flat.reshape(48, 32, 3)], CONFIG)
    assert isinstance(group, Group) and isinstance(other, Group)
    same, second, third = (slot.digest for slot in group.candidates if isinstance(slot, View))
    assert same == group.lr.digest != second == third
    assert other.lr.digest != group.lr.digest


def test_lossless_pictures_arrive_unchanged_and_others_are_refused() -> None:
    pixels = picture(5)
    good = [encoded(pixels, "PNG"), encoded(pixels, "WEBP"), from_raw(pixels.tobytes(), 32, 48, "candidate 2")]
    refused = [encoded(pixels, "JPEG"), from_base64("not base64!", "candidate 4"), encoded(pixels, "PNG")[:40]]
    lr, *candidates = decode_all(good[0], [*good, *refused], 4096, 10**6)
    for decoded in (lr, *candidates[:3]):
        np.testing.assert_array_equal(decoded, pixels)
    for k, answer in enumerate(candidates[3:], 3):
        assert isinstance(answer, Failed) and answer.reason is FailureReason.BAD_IMAGE
        assert f"candidate {k}" in answer.detail


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_claimed_pixels_are_added_up_before_one_is_decoded(form: str) -> None:
    bomb = encoded(np.zeros((1000, 1000, 3), np.uint8), form)
    assert len(bomb) < 10_000
    [lr] = decode_all(bomb, [], 4096, 10**6)
    assert isinstance(lr, Failed) and "1000x1000 px is too large" in lr.detail
    with pytest.raises(BadRequest, match="candidates: the pictures have 2000000 pixels, at most 1999999"):
        decode_all(bomb, [bomb], 10**7, 1_999_999)


@pytest.mark.parametrize(("rgb", "height", "width"), [(b"", 0, 0), (b"abc", 1, 2), (b"abc" * 4, 3, 1)])
def test_raw_pixels_have_to_fill_their_shape(rgb: bytes, height: int, width: int) -> None:
    answer = from_raw(rgb, height, width, "LR")
    assert isinstance(answer, Failed) and answer.detail.startswith("LR: ")
