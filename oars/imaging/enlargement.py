"""The cost of an enlargement, known before its first tile: pixels, tiles and memory."""

from dataclasses import dataclass

from oars.config.generator import SamplerConfig
from oars.imaging.image_io import MAX_PIXELS, BadImage
from oars.imaging.tiling import LR_ROWS, tile_count
from oars.memory import check_memory

# The result, the same with its colours corrected, and a PNG's rows; and what the correction holds in floats.
_BYTES_OF_SR, _BYTES_OF_LR = 8, 40
# Of the open rows of tiles, and of a band of the correction.
_BYTES_OF_ROWS = 32


@dataclass(frozen=True)
class Enlargement:
    height: int
    width: int
    tiles: int
    memory: int
    """Bytes beside the model, at most."""


def plan_enlargement(name: str, shape: tuple[int, ...], scale: int, sampler: SamplerConfig) -> Enlargement:
    """Plan the enlargement of a picture [h, w, 3]. Raises BadImage if the result is larger than a picture may be,
    NotEnoughMemory."""
    height, width = shape[0] * scale, shape[1] * scale
    if height * width > MAX_PIXELS:
        raise BadImage(f"{name}: enlarged to {width}x{height} px it would have more than {MAX_PIXELS} pixels")
    tiles = tile_count(shape[0], shape[1], sampler.tile // scale, sampler.overlap // scale)
    rows = max(sampler.tile, scale * LR_ROWS) * max(width, sampler.tile) * _BYTES_OF_ROWS
    memory = height * width * _BYTES_OF_SR + shape[0] * shape[1] * _BYTES_OF_LR + rows
    check_memory(f"{name}: enlarging it to {width}x{height} px", memory)
    return Enlargement(height, width, tiles, memory)
