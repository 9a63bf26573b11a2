"""Transparent pictures: what the model sees where nothing is visible, and the rows of an enlargement with alpha."""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

from oars.imaging.colour import Rows
from oars.imaging.image_io import Picture, Pixels

_BAND = 256
"""Rows of an output made at a time."""


def visible_colours(picture: Picture) -> Pixels:
    """RGB uint8 [H, W, 3]; an invisible pixel has the colour of the nearest visible one.

    Whatever colour the file hides there (often black) would seep into the edges of an enlargement.
    """
    if picture.alpha is None or not picture.alpha.any():
        return picture.rgb
    rows, columns = distance_transform_edt(picture.alpha == 0, return_distances=False, return_indices=True)
    return picture.rgb[rows, columns]


def finished_rows(
    rgb: Rows, height: int, width: int, alpha: Pixels | None, convert: Callable[[Pixels], Pixels] | None
) -> Iterator[Pixels]:
    """Bands of rows of the picture as it is written: `rgb` [H, W, 3] reduced to height x width by Lanczos, in the
    numbers that `convert` gives, with the bicubic enlargement of `alpha` [h, w] as a fourth channel, if there
    is any."""
    for top in range(0, height, _BAND):
        band = (top, min(height, top + _BAND))
        reduced = _reduced(rgb, height, width, band)
        pixels = convert(reduced) if convert else reduced
        yield pixels if alpha is None else np.dstack([pixels, _part(alpha, height, width, band)])


def _reduced(rgb: Rows, height: int, width: int, band: tuple[int, int]) -> Pixels:
    if tuple(rgb.shape[:2]) == (height, width):
        return rgb[slice(*band)]
    ratio = rgb.shape[0] / height
    start, stop = (row * ratio for row in band)
    # Lanczos reaches three target pixels beyond the band.
    first, last = max(0, int(start - 3 * ratio) - 1), min(rgb.shape[0], int(stop + 3 * ratio) + 2)
    source = rgb[slice(first, last)]
    return _resized(source, (start - first, min(stop - first, len(source))), band, width, Image.Resampling.LANCZOS)


def _part(alpha: Pixels, height: int, width: int, band: tuple[int, int]) -> Pixels:
    ratio = len(alpha) / height
    rows = band[0] * ratio, min(len(alpha), band[1] * ratio)
    return _resized(alpha, rows, band, width, Image.Resampling.BICUBIC)


def _resized(
    source: Pixels, rows: tuple[float, float], band: tuple[int, int], width: int, filter_: Image.Resampling
) -> Pixels:
    """`rows` of `source` as a band. First across, then down: Pillow would choose the order by the size of the band, and
    what is clipped between the two would differ from band to band."""
    across = Image.fromarray(source).resize((width, len(source)), filter_)
    return np.asarray(across.resize((width, band[1] - band[0]), filter_, box=(0, rows[0], width, rows[1])))
