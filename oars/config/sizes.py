"""Checks that sizes fit together: crops and tiles with the generator's tokens, the judge's bounds and its context.

Pure, by the families' published numbers: the model directories may be on another machine than the config.
"""

import math
from typing import Protocol

from oars.config.compass import JudgeConfig
from oars.config.generator import SamplerConfig

MIN_SIDE = 48
"""Pixels a side of a picture that NIQE and BRISQUE take, for half of which they need 24."""

_MINIATURE = "miniature"
# Tokens of a transition prompt beside its two pictures.
_TEXT_TOKENS = 50


def generator_token(path: str) -> int:
    """Output pixels a side of one latent token: 8 by the VAE times 2 x 2 patches; the miniature's VAE halves twice."""
    return 8 if path == _MINIATURE else 16


def judge_token(path: str) -> tuple[int, int]:
    """Pixels a side of one visual token, and the least side that the processor leaves as it is (Qwen3-VL)."""
    return (16, 64) if path == _MINIATURE else (32, 256)


class Crops(Protocol):
    @property
    def scale(self) -> int: ...
    @property
    def crop(self) -> int: ...
    @property
    def evaluation_crop(self) -> int: ...
    @property
    def shown_crop(self) -> int: ...


def generator_fault(data: Crops, sampler: SamplerConfig, path: str) -> str | None:
    """The fault of an output size of the generator in `path`, if it has one."""
    token = generator_token(path)
    for field, side in {**_crops(data), "sampler.tile": sampler.tile}.items():
        if side % token or side % data.scale:
            return f"{field}: {side} is no multiple of {token} and of the scale {data.scale}"
    if data.shown_crop % data.scale:
        return f"data.shown_crop: {data.shown_crop} is no multiple of the scale {data.scale}"
    if sampler.overlap % data.scale or sampler.overlap >= sampler.tile:
        return f"sampler.overlap: {sampler.overlap} is no multiple of the scale {data.scale} below the tile"
    return None


def judge_fault(data: Crops, judge: JudgeConfig, candidates: int, window_shift: int = 0) -> str | None:
    """The fault for which the judge would refuse each group, if there is one."""
    window = data.crop - window_shift
    if window_shift and window**2 < judge.min_pixels:
        return f"reward.window_shift: windows of data.crop - {window_shift}, {window}**2 pixels, below judge.min_pixels"
    token, least = judge_token(judge.path)
    for field, side in _crops(data).items():
        if not judge.min_pixels <= side**2 <= judge.max_pixels:
            return f"{field}: {side}**2 pixels are not in judge.min_pixels .. judge.max_pixels"
        needed = 2 * math.ceil(max(side, least) / token) ** 2 + _TEXT_TOKENS
        if needed > judge.max_model_len:
            return f"{field}: {side} takes {needed} tokens a pair, judge.max_model_len is {judge.max_model_len}"
    if candidates > judge.max_candidates:
        return f"rollout.candidates: {candidates} are more than judge.max_candidates {judge.max_candidates}"
    return None


def _crops(data: Crops) -> dict[str, int]:
    return {"data.crop": data.crop, "data.evaluation_crop": data.evaluation_crop}
