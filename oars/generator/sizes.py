"""Sides of pictures that a generator takes: multiples of a token. Read from its VAE's config, without loading it."""

import json
from collections.abc import Mapping
from pathlib import Path

from oars.config.loading import BadConfig

# Of diffusers' class; its config may leave the field out.
_DEFAULT_DOWNSAMPLE = (False, True, True)


def pixels_per_token(generator: Path) -> int:
    """Side of a token: 2 x 2 latents, each halved once a stage of the VAE."""
    config = json.loads((generator / "vae" / "config.json").read_text())
    return 2 * 2 ** len(config.get("temperal_downsample", _DEFAULT_DOWNSAMPLE))


def check_sides(generator: Path, sides: Mapping[str, int]) -> None:
    """`sides` by the name of their field. Raises BadConfig naming the first that is no multiple of a token."""
    token = pixels_per_token(generator)
    for field, side in sides.items():
        if side % token:
            raise BadConfig(f"{field}: {side} is no multiple of {token}, the pixels of a token's side")
