"""Finds the files of `deploy/` (profiles, Serve config, job recipe): inside an installed wheel, or in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
DEFAULT_PROFILE = "profiles/tiny.yaml"
DEFAULT_TRAINING = "compass/train-continue.yaml"
"""Of a judge: on from the embedded one."""
DEFAULT_REFRESH = "compass/train-refresh.yaml"
"""Of a judge, by what one run's policy made."""
DEFAULT_ANNOTATION = "compass/annotation.yaml"
"""By the measured metrics."""


def deploy_path(name: str = DEFAULT_PROFILE) -> Path:
    """Path of `deploy/<name>`, for instance `profiles/tiny.yaml` or `serve/compass.yaml`.

    Raises FileNotFoundError naming both places looked in.
    """
    # A wheel carries the files inside the package; a checkout, or an editable install of one, has them beside it.
    places = [_PACKAGE / "_deploy" / name, _PACKAGE.parent / "deploy" / name]
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"deploy file {name!r} is in neither {places[0]} nor {places[1]}")
