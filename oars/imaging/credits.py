"""Author and licence of every photo that `oars.imaging.photos` names: what a manifest must say of its pictures."""

from typing import NamedTuple


class Credit(NamedTuple):
    author: str
    licence: str


_BY_FOLDER = Credit("of the folder", "of the folder")
_OPENCV = Credit("OpenCV contributors", "Apache-2.0 and BSD-3-Clause")
_GNOME = Credit("GNOME contributors", "GPL-2+ and CC0-1.0, not told apart")
_WESATURATE = Credit("wesaturate contributors", "CC0")
_LIBJXL = Credit("the JPEG XL project", "BSD-3-Clause")

CREDITS: dict[str, Credit] = {
    "skimage/data/astronaut.png": Credit("NASA", "public domain"),
    "skimage/data/chelsea.png": Credit("Stefan van der Walt", "CC0"),
    "skimage/data/coffee.png": Credit("Rachel Michetti", "CC0"),
    "skimage/data/rocket.jpg": Credit("SpaceX", "public domain"),
    "skimage/data/motorcycle_left.png": Credit("Middlebury Stereo 2014", "research benchmark, none stated"),
    "skimage/data/motorcycle_right.png": Credit("Middlebury Stereo 2014", "research benchmark, none stated"),
    "sklearn/datasets/images/china.jpg": Credit("danielbuechele, flickr", "CC-BY-2.0"),
    "sklearn/datasets/images/flower.jpg": Credit("vultilion, flickr", "CC-BY-2.0"),
    "aitzgorri_by_Aitzol_Berasategi.jpg": Credit("Aitzol Berasategi", "CC-BY-4.0"),
    "friends_by_Aitzol_Berasategi.jpg": Credit("Aitzol Berasategi", "CC-BY-4.0"),
    "life_by_Aitzol_Berasategi.jpg": Credit("Aitzol Berasategi", "CC-BY-4.0"),
    "picosdeeuropa_by_Aitzol_Berasategi.jpg": Credit("Aitzol Berasategi", "CC-BY-4.0"),
    "sunset_by_Aitzol_Berasategi.jpg": Credit("Aitzol Berasategi", "CC-BY-4.0"),
    "Picture_0B_by_freespace.jpg": Credit('Trevor "Freespace"', "CC-BY-4.0"),
    "umang_by_Abhishek_Mudgal.jpg": Credit("Abhishek Mudgal", "CC-BY-4.0"),
    "Wine_by_Jakkub_Mede.jpg": Credit("Jakub Mede", "CC-BY-4.0"),
    "Bridge_by_Sander_Klootwijk.jpg": Credit("Sander Klootwijk", "CC-BY-SA-4.0"),
    "Dragonfly_by_Bolly.jpg": Credit('"Bolly"', "CC-BY-SA-4.0"),
    "free_by_Peter_Nerlich.jpg": Credit("Peter Nerlich", "CC-BY-SA-4.0"),
    "greentock_by_Peter_Nerlich.jpg": Credit("Peter Nerlich", "CC-BY-SA-4.0"),
    "seeding_by_Clements_Engelhardt.jpg": Credit("Clemens Engelhardt", "CC0"),
    "backgrounds/Kleiber_by_Lukas_Baubkus.jpg": Credit("Lukas Baubkus", "CC-BY-SA-3.0"),
    "backgrounds/mate/nature/Aqua.jpg": Credit("Charles Barbin", "GPL-2+"),
    "backgrounds/mate/nature/Garden.jpg": Credit("Charles Barbin", "GPL-2+"),
    "backgrounds/mate/nature/LadyBird.jpg": Credit("Charles Barbin", "GPL-2+"),
    "backgrounds/mate/nature/YellowFlower.jpg": Credit("Charles Barbin", "GPL-2+"),
    "backgrounds/mate/nature/TwoWings.jpg": Credit("Charles Barbin, Hylke Bons", "GPL-2+"),
    "backgrounds/mate/nature/Blinds.jpg": Credit("Lennart Poettering, Andrea Cimitan", "GPL-2+"),
    "backgrounds/mate/nature/Dune.jpg": Credit("Marco Cogoni, Hylke Bons", "GPL-2+"),
    "backgrounds/mate/nature/GreenMeadow.jpg": Credit("Timothy Schellhase, Lapo Calamandrei", "GPL-2+"),
    "backgrounds/mate/nature/RainDrops.jpg": Credit('"blackcombwhistler07"', "GPL-2+"),
    "backgrounds/mate/nature/Wood.jpg": Credit("Jean-François Fortin Tam", "GPL-2+"),
    "wallpapers/BytheWater/contents/images/2560x1600.jpg": Credit("Maciej Wiklo", "LGPL-3"),
    "wallpapers/ColdRipple/contents/images/2560x1600.jpg": Credit("Risto Saukonpää", "LGPL-3"),
    "wallpapers/ColorfulCups/contents/images/2560x1600.jpg": Credit("Dmitri Popov", "LGPL-3"),
    "wallpapers/EveningGlow/contents/images/2560x1600.jpg": Credit("Ian Hex", "LGPL-3"),
    "wallpapers/FallenLeaf/contents/images/2560x1600.jpg": Credit("Martin Klapetek", "LGPL-3"),
    "wallpapers/Grey/contents/images/2560x1600.jpg": Credit("Sigi Sagi", "LGPL-3"),
    "wallpapers/Kite/contents/images/2560x1600.jpg": Credit("Risto Saukonpää", "LGPL-3"),
    "wallpapers/OneStandsOut/contents/images/2560x1600.jpg": Credit("Risto Saukonpää", "LGPL-3"),
    "wallpapers/Path/contents/images/2560x1600.jpg": Credit("Risto Saukonpää", "LGPL-3"),
    "wallpapers/summer_1am/contents/images/2560x1600.jpg": Credit("Risto Saukonpää", "LGPL-3"),
    "lxqt/wallpapers/Butterfly-Kenneth-Wimer.jpg": Credit("Kenneth Wimer", "CC-BY-SA-3.0"),
    "lxqt/wallpapers/after-the-rain.jpg": Credit("stefonarch", "CC-BY-SA-3.0"),
    "lxqt/wallpapers/appleflower.png": Credit("stefonarch", "CC-BY-SA-3.0"),
    "lxqt/wallpapers/beam.png": Credit("stefonarch", "CC-BY-SA-3.0"),
    "lxqt/wallpapers/cloud.png": Credit("LXQt Project Team", "CC-BY-SA-3.0"),
    "lxqt/wallpapers/flowers.png": Credit("stefonarch", "CC-BY-SA-3.0"),
    "lxqt/wallpapers/this-is-not-windows.jpg": Credit("stefonarch", "CC-BY-SA-3.0"),
    "doc/libjs-jquery-backstretch/examples/coffee.jpg": Credit("Scott Robbin", "MIT"),
    "doc/libjs-jquery-backstretch/examples/dome.jpg": Credit("Scott Robbin", "MIT"),
    "doc/libjs-jquery-backstretch/examples/sample1_1920.jpg": Credit("Scott Robbin", "MIT"),
    "doc/libjs-jquery-backstretch/examples/sample2_1920.jpg": Credit("Scott Robbin", "MIT"),
    "doc/opencv-doc/examples/alphamat/input_images/plant.jpg": _OPENCV,
    "doc/opencv-doc/examples/data/aloeL.jpg": _OPENCV,
    "doc/opencv-doc/examples/data/board.jpg": _OPENCV,
    "doc/opencv-doc/examples/data/butterfly.jpg": _OPENCV,
    "doc/opencv-doc/examples/data/graf1.png": _OPENCV,
    "doc/opencv-doc/examples/data/leuvenA.jpg": _OPENCV,
    "doc/opencv-doc/examples/data/rubberwhale1.png": _OPENCV,
    "doc/opencv-doc/examples/text/scenetext01.jpg": _OPENCV,
    "doc/opencv-doc/examples/text/scenetext02.jpg": _OPENCV,
    "doc/opencv-doc/examples/text/scenetext04.jpg": _OPENCV,
    "doc/opencv-doc/examples/text/scenetext06.jpg": _OPENCV,
    "palapeli/collection/castle-maintenon.jpg": Credit("Eric Pouhier", "GFDL"),
    "palapeli/collection/cincinnati-bridge.jpg": Credit("Derek Jensen", "public domain"),
    "palapeli/collection/citrus-fruits.jpg": Credit("US Department of Agriculture", "public domain"),
    "palapeli/collection/european-honey-bee.jpg": Credit("John Severns", "public domain"),
    "palapeli/collection/panther-chameleon-female.jpg": Credit("B. Navez and others", "GFDL"),
    "pixmaps/faces/bicycle.jpg": _GNOME,
    "pixmaps/faces/book.jpg": _GNOME,
    "pixmaps/faces/calculator.jpg": _GNOME,
    "pixmaps/faces/cat.jpg": _GNOME,
    "pixmaps/faces/coffee2.jpg": _GNOME,
    "pixmaps/faces/flower2.jpg": _GNOME,
    "pixmaps/faces/guitar2.jpg": _GNOME,
    "pixmaps/faces/hummingbird.jpg": _GNOME,
    "pixmaps/faces/plane.jpg": _GNOME,
    "pixmaps/faces/tomatoes.jpg": _GNOME,
    "pixmaps/faces/tree.jpg": _GNOME,
    "libjxl-testdata/external/wesaturate/500px/cvo9xd_keong_macan_srgb8.png": _WESATURATE,
    "libjxl-testdata/external/wesaturate/500px/tmshre_riaphotographs_srgb8.png": _WESATURATE,
    "libjxl-testdata/external/wesaturate/500px/u76c0g_bliznaca_srgb8.png": _WESATURATE,
    "libjxl-testdata/jxl/flower/flower.png": _LIBJXL,
    "libjxl-testdata/jxl/hdr_room.png": _LIBJXL,
    "lxqt/wallpapers/butterfly.png": Credit("stefonarch", "CC-BY-SA-3.0"),
    "lxqt/wallpapers/drop.png": Credit("stefonarch", "CC-BY-SA-3.0"),
    "doc/libjs-jquery-backstretch/examples/pot-holder.jpg": Credit("Scott Robbin", "MIT"),
    "doc/opencv-doc/examples/data/building.jpg": _OPENCV,
    "doc/opencv-doc/examples/data/fruits.jpg": _OPENCV,
    "doc/opencv-doc/examples/data/home.jpg": _OPENCV,
    "doc/opencv-doc/examples/data/squirrel_cls.jpg": _OPENCV,
    "doc/opencv-doc/examples/text/scenetext05.jpg": _OPENCV,
}


def credit_of(photo: str) -> Credit:
    """Of a photo by its name; of a user's own folder it says that the folder's terms hold."""
    return CREDITS.get(photo, _BY_FOLDER)
