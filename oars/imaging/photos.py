"""Where photos come from, and the one visible list that splits them into train and evaluation.

The split is by photo, never by crop: no pixel of an evaluation photo reaches the training of the generator or of the
judge. Both halves of a stereo pair are one photo. A folder of the user's own is split by a stable hash of the name.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oars.errors import UserError
from oars.imaging.image_io import read_image

Split = Literal["train", "evaluation"]

# name -> split, for the photos that ordinary packages carry (scikit-image, scikit-learn).
PACKAGE_PHOTOS: dict[str, Split] = {
    "skimage/data/coffee.png": "train",
    "skimage/data/motorcycle_left.png": "train",
    "skimage/data/motorcycle_right.png": "train",
    "skimage/data/rocket.jpg": "train",
    "sklearn/datasets/images/china.jpg": "train",
    "skimage/data/astronaut.png": "evaluation",
    "skimage/data/chelsea.png": "evaluation",
    "sklearn/datasets/images/flower.jpg": "evaluation",
}

# Debian package lomiri-wallpapers-16.04 (CC-BY-4.0, CC-BY-SA-4.0 and CC0; authors are in the file names).
WALLPAPER_DIR = Path("/usr/share/backgrounds")
WALLPAPER_PHOTOS: dict[str, Split] = {
    "aitzgorri_by_Aitzol_Berasategi.jpg": "train",
    "Bridge_by_Sander_Klootwijk.jpg": "train",
    "Dragonfly_by_Bolly.jpg": "train",
    "free_by_Peter_Nerlich.jpg": "train",
    "friends_by_Aitzol_Berasategi.jpg": "train",
    "greentock_by_Peter_Nerlich.jpg": "train",
    "picosdeeuropa_by_Aitzol_Berasategi.jpg": "train",
    "seeding_by_Clements_Engelhardt.jpg": "train",
    "sunset_by_Aitzol_Berasategi.jpg": "train",
    "umang_by_Abhishek_Mudgal.jpg": "train",
    "life_by_Aitzol_Berasategi.jpg": "evaluation",
    "Picture_0B_by_freespace.jpg": "evaluation",
    "Wine_by_Jakkub_Mede.jpg": "evaluation",
}
# The wallpapers are soft at 100 %: ground truth is the photo at half size (ours); the full-size pixels serve as
# honest real low-quality inputs.
WALLPAPER_REDUCTION = 2

# Debian packages lomiri-wallpapers-20.04, mate-backgrounds, plasma-workspace-wallpapers, lxqt-themes,
# libjs-jquery-backstretch, opencv-doc, palapeli-data, gnome-control-center-data and libjxl-testdata: what is a
# photograph in them, of no person and not flat, below /usr/share.
# The number is the reduction to pixels that are sharp, as seen (ours).
BACKGROUND_DIR = Path("/usr/share")
BACKGROUND_PHOTOS: dict[str, tuple[Split, int]] = {
    "backgrounds/mate/nature/Aqua.jpg": ("train", 2),
    "backgrounds/mate/nature/Blinds.jpg": ("train", 2),
    "backgrounds/mate/nature/Dune.jpg": ("train", 1),
    "backgrounds/mate/nature/Garden.jpg": ("train", 2),
    "backgrounds/mate/nature/GreenMeadow.jpg": ("train", 2),
    "backgrounds/mate/nature/RainDrops.jpg": ("train", 2),
    "backgrounds/mate/nature/TwoWings.jpg": ("train", 2),
    "backgrounds/mate/nature/YellowFlower.jpg": ("train", 2),
    "wallpapers/ColdRipple/contents/images/2560x1600.jpg": ("train", 1),
    "wallpapers/ColorfulCups/contents/images/2560x1600.jpg": ("train", 2),
    "wallpapers/EveningGlow/contents/images/2560x1600.jpg": ("train", 1),
    "wallpapers/Kite/contents/images/2560x1600.jpg": ("train", 2),
    "wallpapers/OneStandsOut/contents/images/2560x1600.jpg": ("train", 1),
    "wallpapers/Path/contents/images/2560x1600.jpg": ("train", 1),
    "wallpapers/summer_1am/contents/images/2560x1600.jpg": ("train", 1),
    "lxqt/wallpapers/Butterfly-Kenneth-Wimer.jpg": ("train", 2),
    "lxqt/wallpapers/after-the-rain.jpg": ("train", 3),
    "lxqt/wallpapers/appleflower.png": ("train", 2),
    "lxqt/wallpapers/beam.png": ("train", 3),
    "lxqt/wallpapers/cloud.png": ("train", 2),
    "lxqt/wallpapers/flowers.png": ("train", 3),
    "lxqt/wallpapers/this-is-not-windows.jpg": ("train", 2),
    "doc/libjs-jquery-backstretch/examples/coffee.jpg": ("train", 1),
    "doc/libjs-jquery-backstretch/examples/dome.jpg": ("train", 1),
    "doc/libjs-jquery-backstretch/examples/sample1_1920.jpg": ("train", 2),
    "doc/libjs-jquery-backstretch/examples/sample2_1920.jpg": ("train", 2),
    "doc/opencv-doc/examples/alphamat/input_images/plant.jpg": ("train", 1),
    "doc/opencv-doc/examples/data/aloeL.jpg": ("train", 2),
    "doc/opencv-doc/examples/data/board.jpg": ("train", 1),
    "doc/opencv-doc/examples/data/butterfly.jpg": ("train", 1),
    "doc/opencv-doc/examples/data/graf1.png": ("train", 1),
    "doc/opencv-doc/examples/data/leuvenA.jpg": ("train", 1),
    "doc/opencv-doc/examples/data/rubberwhale1.png": ("train", 1),
    "doc/opencv-doc/examples/text/scenetext01.jpg": ("train", 1),
    "doc/opencv-doc/examples/text/scenetext02.jpg": ("train", 2),
    "doc/opencv-doc/examples/text/scenetext04.jpg": ("train", 2),
    "doc/opencv-doc/examples/text/scenetext06.jpg": ("train", 1),
    "palapeli/collection/castle-maintenon.jpg": ("train", 1),
    "palapeli/collection/cincinnati-bridge.jpg": ("train", 2),
    "palapeli/collection/citrus-fruits.jpg": ("train", 2),
    "palapeli/collection/european-honey-bee.jpg": ("train", 2),
    "palapeli/collection/panther-chameleon-female.jpg": ("train", 2),
    "pixmaps/faces/bicycle.jpg": ("train", 1),
    "pixmaps/faces/book.jpg": ("train", 1),
    "pixmaps/faces/calculator.jpg": ("train", 1),
    "pixmaps/faces/cat.jpg": ("train", 1),
    "pixmaps/faces/coffee2.jpg": ("train", 1),
    "pixmaps/faces/flower2.jpg": ("train", 1),
    "pixmaps/faces/guitar2.jpg": ("train", 1),
    "pixmaps/faces/hummingbird.jpg": ("train", 1),
    "pixmaps/faces/plane.jpg": ("train", 1),
    "pixmaps/faces/tomatoes.jpg": ("train", 1),
    "pixmaps/faces/tree.jpg": ("train", 1),
    "libjxl-testdata/external/wesaturate/500px/cvo9xd_keong_macan_srgb8.png": ("train", 1),
    "libjxl-testdata/external/wesaturate/500px/tmshre_riaphotographs_srgb8.png": ("train", 1),
    "libjxl-testdata/external/wesaturate/500px/u76c0g_bliznaca_srgb8.png": ("train", 1),
    "libjxl-testdata/jxl/flower/flower.png": ("train", 2),
    "libjxl-testdata/jxl/hdr_room.png": ("train", 1),
    "backgrounds/Kleiber_by_Lukas_Baubkus.jpg": ("evaluation", 3),
    "backgrounds/mate/nature/LadyBird.jpg": ("evaluation", 2),
    "backgrounds/mate/nature/Wood.jpg": ("evaluation", 2),
    "wallpapers/BytheWater/contents/images/2560x1600.jpg": ("evaluation", 1),
    "wallpapers/FallenLeaf/contents/images/2560x1600.jpg": ("evaluation", 1),
    "wallpapers/Grey/contents/images/2560x1600.jpg": ("evaluation", 1),
    "lxqt/wallpapers/butterfly.png": ("evaluation", 2),
    "lxqt/wallpapers/drop.png": ("evaluation", 2),
    "doc/libjs-jquery-backstretch/examples/pot-holder.jpg": ("evaluation", 1),
    "doc/opencv-doc/examples/data/building.jpg": ("evaluation", 1),
    "doc/opencv-doc/examples/data/fruits.jpg": ("evaluation", 1),
    "doc/opencv-doc/examples/data/home.jpg": ("evaluation", 1),
    "doc/opencv-doc/examples/data/squirrel_cls.jpg": ("evaluation", 1),
    "doc/opencv-doc/examples/text/scenetext05.jpg": ("evaluation", 2),
}

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}


@dataclass(frozen=True)
class Photo:
    """One source photo: `name` identifies it in manifests and group ids; `reduction` shrinks it to sharp pixels."""

    name: str
    path: Path
    reduction: int = 1

    def pixels(self, full_size: bool = False) -> NDArray[np.uint8]:
        """RGB, uint8 [H, W, 3]; at `1 / reduction` of the size unless `full_size`. Raises BadImage naming the file."""
        pixels = read_image(self.path)
        if self.reduction > 1 and not full_size:
            return np.asarray(Image.fromarray(pixels).reduce(self.reduction))
        return pixels


class NoPhotos(UserError, ValueError):
    """The named source holds no photo of the wanted split."""


def find_photos(source: str, split: Split) -> list[Photo]:
    """Photos of one split from `packages`, `wallpapers`, `all` (both), `backgrounds` or a folder, in a stable order.

    Raises NoPhotos naming the source if there are none.
    """
    finders = {"packages": _package_photos, "wallpapers": _wallpaper_photos, "backgrounds": _background_photos}
    if source == "all":
        photos = [*_package_photos(split), *_wallpaper_photos(split)]
    else:
        photos = list(finders[source](split)) if source in finders else list(_folder_photos(Path(source), split))
    if not photos:
        expected = "'packages', 'wallpapers', 'all', 'backgrounds' or a folder of images"
        raise NoPhotos(f"no {split} photos in {source!r}: expected {expected}")
    return photos


def _package_photos(split: Split) -> Iterator[Photo]:
    for name, part in PACKAGE_PHOTOS.items():
        package = name.split("/", 1)[0]
        spec = find_spec(package)
        if part == split and spec is not None and spec.origin is not None:
            yield Photo(name, Path(spec.origin).parents[1] / name)


def _wallpaper_photos(split: Split) -> Iterator[Photo]:
    for name, part in WALLPAPER_PHOTOS.items():
        path = WALLPAPER_DIR / name
        if part == split and path.exists():
            yield Photo(name, path, WALLPAPER_REDUCTION)


def _background_photos(split: Split) -> Iterator[Photo]:
    for name, (part, reduction) in BACKGROUND_PHOTOS.items():
        path = BACKGROUND_DIR / name
        if part == split and path.exists():
            yield Photo(name, path, reduction)


def _folder_photos(folder: Path, split: Split) -> Iterator[Photo]:
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES):
        name = path.relative_to(folder).as_posix()
        if folder_split(name) == split:
            yield Photo(name, path)


def folder_split(name: str) -> Split:
    """One photo in five is for evaluation (ours), by a hash of its name, so adding photos moves no other photo."""
    return "evaluation" if hashlib.sha256(name.encode()).digest()[0] % 5 == 0 else "train"
