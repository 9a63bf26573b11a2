"""Transparent pictures: what the model sees where nothing is visible, and how alpha is enlarged beside the colours."""

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

from oars.imaging.image_io import Picture, Pixels


def visible_colours(picture: Picture) -> Pixels:
    """RGB uint8 [H, W, 3]; an invisible pixel has the colour of the nearest visible one.

    Whatever colour the file hides there (often black) would seep into the edges of an enlargement.
    """
    if picture.alpha is None or not picture.alpha.any():
        return picture.rgb
    rows, columns = distance_transform_edt(picture.alpha == 0, return_distances=False, return_indices=True)
    return picture.rgb[rows, columns]


def with_alpha(sr: Pixels, alpha: Pixels | None) -> Pixels:
    """`sr` uint8 [H, W, 3] with the bicubic enlargement of `alpha` [h, w] as a fourth channel, if there is any."""
    if alpha is None:
        return sr
    height, width = sr.shape[:2]
    return np.dstack([sr, np.asarray(Image.fromarray(alpha).resize((width, height), Image.Resampling.BICUBIC))])
