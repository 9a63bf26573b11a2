"""The pictures of a request: decoded, checked one by one, and brought to the judge's views.

A candidate that cannot be judged is a `Failed` in its slot; it never spoils its neighbours.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from oars.compass.outcome import Failed, FailureReason
from oars.compass.views import MAX_ASPECT, lr_view
from oars.config import JudgeConfig
from oars.imaging.image_io import BadImage, Pixels, decode_lossless, lossless_size
from reward_server.errors import BadRequest

Candidate = Pixels | Failed
Sent = bytes | Pixels | Failed
"""A picture as it came through a gateway: encoded bytes, raw pixels, or already a failure."""


@dataclass(frozen=True)
class View:
    """A picture as the judge sees it, with the digest of its pixels: equal pictures are encoded once."""

    image: Image.Image
    digest: str


@dataclass(frozen=True)
class CheckedGroup:
    """The LR, and a candidate, or the failure, in each slot: uint8 [h, w, 3] and [H, W, 3], candidates of one size."""

    lr: Pixels
    candidates: list[Candidate]


@dataclass(frozen=True)
class Group:
    """A checked request: the LR's view and a view, or the failure, in each candidate's slot."""

    lr: View
    candidates: list[View | Failed]


def bad_image(detail: str) -> Failed:
    return Failed(reason=FailureReason.BAD_IMAGE, detail=detail)


def from_base64(text: str, name: str) -> Sent:
    """The bytes of a picture that came as text, or the failure that it is; `name` goes into its text."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return bad_image(f"{name}: not base64")


def from_raw(rgb: bytes, height: int, width: int, name: str) -> Sent:
    """uint8 [height, width, 3], sharing memory with `rgb`."""
    if len(rgb) != height * width * 3 or not rgb:
        return bad_image(f"{name}: {len(rgb)} bytes for {height} x {width} x 3")
    return np.frombuffer(rgb, np.uint8).reshape(height, width, 3)


def decode_all(lr: Sent, candidates: Sequence[Sent], max_pixels: int, max_total: int) -> list[Candidate]:
    """LR and candidates as uint8 [H, W, 3], or the failure in a picture's slot.

    Raises BadRequest if all pictures together claim more than `max_total` pixels: known before one is decoded.
    """
    pictures = [lr, *candidates]
    total = sum(_claimed_area(picture) for picture in pictures)
    if total > max_total:
        raise BadRequest(f"candidates: the pictures have {total} pixels, at most {max_total} are accepted")
    names = ["LR", *(f"candidate {k}" for k in range(len(candidates)))]
    return [_decoded(picture, name, max_pixels) for picture, name in zip(pictures, names, strict=True)]


def _claimed_area(picture: Sent) -> int:
    if isinstance(picture, Failed):
        return 0
    if isinstance(picture, bytes):
        width, height = lossless_size(picture) or (0, 0)
        return width * height
    return picture.shape[0] * picture.shape[1]


def _decoded(picture: Sent, name: str, max_pixels: int) -> Candidate:
    if not isinstance(picture, bytes):
        return picture
    try:
        return decode_lossless(picture, name, max_pixels)
    except BadImage as error:
        return bad_image(str(error))


def prepare(lr: Candidate, candidates: Sequence[Candidate], config: JudgeConfig) -> Group | Failed:
    """Check a group and make its views. A `Failed` in place of the group is a fault of the LR and fails them all.

    The LR is shown to the judge at the size of the candidates.
    """
    group = check_pictures(lr, candidates, config)
    if isinstance(group, Failed):
        return group
    shape = next((sr.shape for sr in group.candidates if not isinstance(sr, Failed)), group.lr.shape)
    views = [sr if isinstance(sr, Failed) else _view(sr) for sr in group.candidates]
    return Group(_view(lr_view(group.lr, *shape[:2])), views)


def check_pictures(lr: Candidate, candidates: Sequence[Candidate], config: JudgeConfig) -> CheckedGroup | Failed:
    """Form, area and size of each picture; the candidates share the size of the first good one. A `Failed` in place of
    the group is a fault of the LR and fails them all."""
    # An LR may be smaller than a candidate by the upscaling factor, so only its upper bound is checked.
    source = _checked(lr, "LR", 1, config.max_pixels)
    if isinstance(source, Failed):
        return source
    bounds = config.min_pixels, config.max_pixels
    checked = [_checked(candidate, f"candidate {k}", *bounds) for k, candidate in enumerate(candidates)]
    shape = next((pixels.shape for pixels in checked if not isinstance(pixels, Failed)), source.shape)
    return CheckedGroup(source, [_same_size(*slot, shape) for slot in enumerate(checked)])


def _checked(pixels: Candidate, name: str, least: int, most: int) -> Candidate:
    if isinstance(pixels, Failed):
        return pixels
    fault = _fault(pixels, least, most)
    return bad_image(f"{name}: {fault}") if fault else pixels


def _fault(pixels: Pixels, least: int, most: int) -> str | None:
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        found = f"{pixels.dtype} {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        return f"expected uint8 [H, W, 3], got {found}"
    height, width, _ = pixels.shape
    if not least <= height * width <= most:
        return f"{height * width} pixels, expected {least} to {most}"
    aspect = max(height, width) / min(height, width)
    return f"{width}x{height} pixels are {aspect:.0f}:1, at most {MAX_ASPECT}:1" if aspect > MAX_ASPECT else None


def _same_size(k: int, pixels: Candidate, shape: tuple[int, ...]) -> Candidate:
    if isinstance(pixels, Failed) or pixels.shape == shape:
        return pixels
    return bad_image(f"candidate {k}: size {list(pixels.shape[:2])} differs from the group's {list(shape[:2])}")


def _view(pixels: Pixels) -> View:
    shape = "x".join(map(str, pixels.shape)).encode()
    digest = hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16, key=shape).hexdigest()
    return View(Image.fromarray(pixels), digest)
