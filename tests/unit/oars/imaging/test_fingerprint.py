"""A picture keeps its fingerprint through quality, size, format and rotation by EXIF; another picture has another."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from oars.imaging import fingerprint as module
from oars.imaging.fingerprint import FINGERPRINT_BYTES, Fingerprints, alike, fingerprint


def picture(seed: int, width: int = 481, height: int = 321) -> Image.Image:
    """Its sides are no multiples of a JPEG's blocks."""
    blocks = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def levels(data: bytes) -> Fingerprints:
    found = fingerprint(io.BytesIO(data), "a picture")
    assert found is not None
    return np.frombuffer(found, np.uint8).reshape(1, FINGERPRINT_BYTES)


COPIES = {
    "JPEG, quality 20": lambda image: saved(image, "JPEG", quality=20),
    "progressive JPEG": lambda image: saved(image, "JPEG", progressive=True),
    "WebP": lambda image: saved(image, "WEBP", quality=40),
    "TIFF": lambda image: saved(image, "TIFF"),
    "halved JPEG": lambda image: saved(image.resize((240, 160), Image.Resampling.LANCZOS), "JPEG"),
    "a third, as PNG": lambda image: saved(image.resize((160, 107), Image.Resampling.BICUBIC)),
    "with an opaque alpha": lambda image: saved(image.convert("RGBA")),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_that_was_saved_again_is_alike_and_another_picture_is_not(copy: Any) -> None:
    originals = np.concatenate([levels(saved(picture(seed))) for seed in range(12)])
    copies = np.concatenate([levels(copy(picture(seed))) for seed in range(12)])
    np.testing.assert_array_equal(alike(originals, copies), np.eye(12, dtype=bool))


def test_a_photo_that_exif_turns_is_the_one_whose_pixels_were_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by 90 degrees
    turned = picture(0).transpose(Image.Transpose.ROTATE_270)
    assert alike(levels(saved(picture(0), "JPEG", exif=exif)), levels(saved(turned))).all()
    assert not alike(levels(saved(picture(0), "JPEG")), levels(saved(turned))).any()


def test_what_has_no_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fingerprint(io.BytesIO(b"no picture"), "text") is None
    cut = saved(picture(0))
    assert fingerprint(io.BytesIO(cut[: len(cut) // 2]), "cut") is None
    assert fingerprint(io.BytesIO(saved(Image.new("RGB", (64, 64), "teal"))), "flat") is None
    monkeypatch.setattr(module, "MAX_INPUT_PIXELS", 480 * 321)
    assert fingerprint(io.BytesIO(saved(picture(0))), "large") is None
