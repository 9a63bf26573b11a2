"""Whole requests that should not have been sent: bodies for HTTP, messages for gRPC. Seeded.

A request built `around` a good group keeps its first candidate and LR good, so that the answer, if there is one, has to
judge that candidate right whatever its neighbours are.
"""

import base64
import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.fuzz.pictures import Draw, bad, png
from reward_server.proto import compass_pb2 as pb

_MAX_NEIGHBOURS = 3
_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 1e308, "", " ", "x" * 300, "\x00", "\ud800", "ä", [], [[]], {}, {"a": 1}, [None], ["", 1],
    float("nan"), float("inf"), "NaN", "[]",
)  # fmt: skip
_FIELDS = (
    "request_id", "attempt", "api_version", "lr", "candidates", "deadline_s", "colour",
)  # fmt: skip


@dataclass(frozen=True)
class GoodGroup:
    """LR uint8 [h, w, 3] and one candidate uint8 [H, W, 3] whose score is known."""

    lr: np.ndarray
    candidate: np.ndarray

    def json(self) -> dict[str, Any]:
        pictures = [base64.b64encode(png(picture)).decode() for picture in (self.lr, self.candidate)]
        return {"request_id": "good", "lr": pictures[0], "candidates": pictures[1:]}

    def message(self) -> pb.ScoreRequest:
        encoded = [pb.Picture(encoded=png(picture)) for picture in (self.lr, self.candidate)]
        return pb.ScoreRequest(request_id="good", lr=encoded[0], candidates=encoded[1:])


def bad_neighbours_json(draw: Draw, around: GoodGroup) -> bytes:
    """A good candidate, and up to three bad ones beside it."""
    body, side = around.json(), around.candidate.shape[0]
    pictures = [bad(draw, side) for _ in range(int(draw.integers(1, _MAX_NEIGHBOURS + 1)))]
    body["candidates"] += [base64.b64encode(picture).decode() for picture in pictures]
    return json.dumps(body).encode()


def bad_neighbours_message(draw: Draw, around: GoodGroup) -> bytes:
    message, side = around.message(), around.candidate.shape[0]
    for _ in range(int(draw.integers(1, _MAX_NEIGHBOURS + 1))):
        message.candidates.append(pb.Picture(encoded=bad(draw, side)) if draw.random() < 0.7 else _bad_raw(draw))
    return message.SerializeToString()


def bad_lr_json(draw: Draw, around: GoodGroup) -> bytes:
    return json.dumps(around.json() | {"lr": base64.b64encode(bad(draw, 32)).decode()}).encode()


def wrong_json(draw: Draw, around: GoodGroup) -> bytes:
    """JSON that is not this request, text that is no JSON, or bytes that are no text."""
    body = around.json()
    kind = int(draw.integers(7))
    if kind == 0:
        return draw.bytes(int(draw.integers(0, 3000)))
    if kind == 1:
        depth = int(draw.integers(10, 100_000))
        return b"[" * depth if draw.random() < 0.5 else b'{"a":' * depth
    if kind == 2:
        text = json.dumps(body).encode()
        return text[: int(draw.integers(0, len(text)))]
    if kind == 3:
        return _overwritten(draw, json.dumps(body).encode())
    if kind == 4:
        body.pop(str(draw.choice(list(body))))
        return json.dumps(body).encode()
    for _ in range(int(draw.integers(1, 4))):
        body[str(draw.choice(_FIELDS))] = _ODD[int(draw.integers(len(_ODD)))]
    mark = "\ufeff" if kind == 5 and draw.random() < 0.1 else ""
    return (mark + json.dumps(body)).encode()


def wrong_message(draw: Draw, around: GoodGroup) -> bytes:
    """Bytes that are no ScoreRequest, or one whose fields are wrong."""
    message = around.message()
    kind = int(draw.integers(8))
    if kind == 0:
        return draw.bytes(int(draw.integers(0, 3000)))
    if kind == 1:
        data = message.SerializeToString()
        return data[: int(draw.integers(0, len(data)))]
    if kind == 2:
        return _overwritten(draw, message.SerializeToString())
    if kind == 3:
        # Lengths that promise more than there is, and groups nested without end.
        return bytes([0x2A]) + b"\xff\xff\xff\xff\x07" + draw.bytes(20) if draw.random() < 0.5 else b"\x0b" * 5000
    if kind == 4:
        return message.SerializeToString() + b"".join(_unknown_field(draw) for _ in range(20))
    if kind == 5:
        message.candidates.extend([message.candidates[0]] * int(draw.integers(60, 400)))
    _spoil(draw, message)
    return message.SerializeToString()


def _overwritten(draw: Draw, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(int(draw.integers(1, 10))):
        changed[int(draw.integers(len(changed)))] = int(draw.integers(256))
    return bytes(changed)


def _spoil(draw: Draw, message: pb.ScoreRequest) -> None:
    match int(draw.integers(6)):
        case 0:
            message.request_id = str(draw.choice(["", " ", "x" * 300, "a\nb", "ä"]))
        case 1:
            message.api_version = int(draw.integers(2, 2**32))
        case 2:
            message.lr.CopyFrom(_bad_raw(draw))
        case 3:
            message.ClearField("lr")
        case 4:
            message.ClearField("candidates")
        case _:
            message.attempt = 2**32 - 1


def _bad_raw(draw: Draw) -> pb.Picture:
    height, width = (int(draw.choice([0, 1, 7, 8, 64, 1000, 2**16, 2**32 - 1])) for _ in range(2))
    return pb.Picture(raw=pb.Raw(height=height, width=width, rgb=draw.bytes(int(draw.integers(0, 20_000)))))


def _unknown_field(draw: Draw) -> bytes:
    number, size = int(draw.integers(100, 1000)), int(draw.integers(0, 50))
    tag = number << 3 | 2
    return bytes([tag & 0x7F | 0x80, tag >> 7]) + struct.pack("B", size) + draw.bytes(size)
