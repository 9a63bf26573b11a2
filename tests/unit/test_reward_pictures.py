"""A request's pictures: a bad one fails alone, and equal pictures are one view."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from oars.compass.outcome import Failed, FailureReason
from oars.config import JudgeConfig
from reward_server.pictures import Group, Pixels, View, decode, prepare

CONFIG = JudgeConfig(min_pixels=64, max_pixels=4096)


def picture(seed: int, height: int = 32, width: int = 48) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encoded(pixels: Pixels, form: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, lossless=True)
    return base64.b64encode(buffer.getvalue()).decode()


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
    for form in ("PNG", "WEBP"):
        decoded = decode(encoded(pixels, form), "LR", 4096)
        assert isinstance(decoded, np.ndarray)
        np.testing.assert_array_equal(decoded, pixels)
    for refused in (encoded(pixels, "JPEG"), "not base64!", encoded(pixels, "PNG")[:40]):
        answer = decode(refused, "candidate 3", 4096)
        assert isinstance(answer, Failed) and answer.reason is FailureReason.BAD_IMAGE
        assert "candidate 3" in answer.detail
