"""Stand-ins for SR methods: how a candidate of any fidelity and quality is made from an LR and its ground truth.

A candidate is a *base* (a restoration, from plain interpolation to the ground truth itself) plus up to two
*artefacts* of random strength: noise, ringing, grids, painted texture, moved or foreign content, shifted colour. An
artefact that changes what is depicted (colour, warp, foreign patch) changes the *reference* too: quality is judged
against what the picture shows, fidelity against the ground truth. So sharp but invented content has high quality and
low fidelity, which the metrics against the ground truth alone could not tell apart. Ours: the paper runs 12 SR
networks.

Images are float32 [H, W, 3] in [0, 255].
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.restoration import denoise_tv_chambolle

from oars.compass.views import lr_view
from oars.imaging.masks import random_blobs
from oars.imaging.perturbations import (
    Floats,
    Pixels,
    blurred,
    displacement,
    lattice_pattern,
    moved,
    sharpened,
    to_pixels,
    waves,
)


@dataclass(frozen=True)
class Scene:
    """One LR and what enhancers may draw on: the LR at full size, ground truth, another photo's crop, [H, W, 3]."""

    lr: Floats
    """Bicubic-resized."""
    small: Pixels
    gt: Floats
    foreign: Floats


@dataclass(frozen=True)
class Picture:
    """A candidate and the clean image that it depicts."""

    image: Floats
    reference: Floats


Base = Callable[[Scene, np.random.Generator], Floats]
Artefact = Callable[[Picture, Scene, np.random.Generator], Picture]


def _resampled(scene: Scene, mode: Image.Resampling) -> Floats:
    height, width = scene.gt.shape[:2]
    return np.asarray(Image.fromarray(scene.small).resize((width, height), mode), dtype=np.float32)


# bases: from the LR alone, or from part of the ground truth, as a good network would restore


def interpolated(scene: Scene, rng: np.random.Generator) -> Floats:
    modes = (Image.Resampling.LANCZOS, Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
    return _resampled(scene, modes[rng.choice(4, p=(0.3, 0.15, 0.15, 0.4))])


def unsharp(scene: Scene, rng: np.random.Generator) -> Floats:
    return sharpened(scene.lr, rng.uniform(1, 3), rng.uniform(0.3, 2))


def denoised(scene: Scene, rng: np.random.Generator) -> Floats:
    smooth = denoise_tv_chambolle(scene.lr / 255, weight=rng.uniform(0.02, 0.15), channel_axis=-1, max_num_iter=30)
    return sharpened(np.asarray(smooth * 255, dtype=np.float32), rng.uniform(1, 2), rng.uniform(0, 2))


def median_filtered(scene: Scene, rng: np.random.Generator) -> Floats:
    size = int(rng.choice([3, 5]))
    return np.asarray(ndimage.median_filter(scene.lr, (size, size, 1)), dtype=np.float32)


def back_projected(scene: Scene, rng: np.random.Generator) -> Floats:
    """Iterative back-projection: the result, reduced, agrees with the LR."""
    image, target = scene.lr, scene.small.astype(np.float32)
    for _ in range(int(rng.integers(3, 10))):
        reduced = np.asarray(Image.fromarray(to_pixels(image)).resize(target.shape[1::-1], Image.Resampling.BOX))
        error = Image.fromarray(to_pixels(target - reduced + 128))
        enlarged = np.asarray(error.resize(image.shape[1::-1], Image.Resampling.BICUBIC), dtype=np.float32)
        image = sharpened(image + enlarged - 128, 1.0, 0.1)
    return image


def partly_restored(scene: Scene, rng: np.random.Generator) -> Floats:
    share = np.float32(rng.uniform(0.2, 0.95))
    return share * scene.gt + (1 - share) * scene.lr


def soft_truth(scene: Scene, rng: np.random.Generator) -> Floats:
    return blurred(scene.gt, rng.uniform(0.4, 2.5))


def locally_restored(scene: Scene, rng: np.random.Generator) -> Floats:
    """Restored in some places and not in others, as networks do."""
    mask = random_blobs(scene.gt.shape[:2], rng)
    return mask * scene.gt + (1 - mask) * scene.lr


def ground_truth(scene: Scene, rng: np.random.Generator) -> Floats:
    return scene.gt


# artefacts of rendering: the reference stays


def noisy(picture: Picture, scene: Scene, rng: np.random.Generator) -> Picture:
    """White or slightly correlated noise, of one channel or three."""
    height, width, _ = picture.image.shape
    noise = rng.normal(size=(height, width, int(rng.choice([1, 3]))))
    if rng.random() < 0.3:
        noise = ndimage.gaussian_filter(noise, (0.7, 0.7, 0)) * 2.2
    return _rendered(picture, picture.image + rng.uniform(3, 30) * noise)


def oversharpened(picture: Picture, scene: Scene, rng: np.random.Generator) -> Picture:
    """Halos and ringing."""
    return _rendered(picture, sharpened(picture.image, rng.uniform(0.7, 2.5), rng.uniform(0.5, 6)))


def softened(picture: Picture, scene: Scene, rng: np.random.Generator) -> Picture:
    return _rendered(picture, blurred(picture.image, rng.uniform(0.5, 3)))


def gridded(picture: Picture, scene: Scene, rng: np.random.Generator) -> Picture:
    """Checkerboards and lattices of 2 to 16 pixels, as upsampling layers and patch decoders leave them."""
    size, period = picture.image.shape[:2], int(rng.choice([2, 4, 8, 16]))
    offset = int(rng.integers(period))
    pattern = lattice_pattern(size, period, "checks" if rng.random() < 0.5 else "lines", offset)
    return _rendered(picture, picture.image + rng.uniform(4, 25) * pattern * rng.uniform(0.5, 1, 3))


def blocky(picture: Picture, scene: Scene, rng: np.random.Generator) -> Picture:
    """Each 8 x 8 block is off by a constant and a slope: latent tokens that disagree."""
    height, width, _ = picture.image.shape
    amount = rng.uniform(3, 18)
    shape = (height // 8, width // 8, int(rng.choice([1, 3])))
    ramp = np.linspace(-1, 1, 8)
    offset = np.kron(rng.normal(size=shape), np.ones((8, 8, 1)))
    slopes = np.kron(rng.normal(size=shape), ramp[:, None, None] * np.ones((8, 8, 1)))
    slopes = slopes + np.kron(rng.normal(size=shape), ramp[None, :, None] * np.ones((8, 8, 1)))
    return _rendered(picture, picture.image + amount * (offset + slopes) / 1.7)


def compressed(picture: Picture, scene: Scene, rng: np.random.Generator) -> Picture:
    buffer = BytesIO()
    Image.fromarray(to_pixels(picture.image)).save(buffer, "JPEG", quality=int(rng.integers(5, 60)))
    return _rendered(picture, np.asarray(Image.open(buffer)))


def textured(picture: Picture, scene: Scene, rng: np.random.Generator) -> Picture:
    """Fine oriented texture painted over some places: detail that is in no photo."""
    size = picture.image.shape[:2]
    wave = waves(size, rng)
    return _rendered(picture, picture.image + rng.uniform(6, 35) * (random_blobs(size, rng) * wave))


def foreign_detail(picture: Picture, scene: Scene, rng: np.random.Generator) -> Picture:
    """Another photo's fine detail on this photo's large shapes."""
    sigma = rng.uniform(1, 3)
    detail = (scene.foreign - blurred(scene.foreign, sigma)).mean(-1, keepdims=True)
    base = picture.image if rng.random() < 0.5 else blurred(picture.image, sigma)
    return _rendered(picture, base + rng.uniform(0.4, 1.5) * detail)


# artefacts of content: the reference changes along


def tinted(picture: Picture, scene: Scene, rng: np.random.Generator) -> Picture:
    """Colour cast, or another brightness, contrast, saturation."""
    gain, lift = rng.uniform(0.75, 1.25, 3), rng.uniform(-20, 20, 3)
    if rng.random() < 0.5:
        gain, lift = np.full(3, rng.uniform(0.65, 1.35)), np.full(3, rng.uniform(-30, 30))
    saturation = rng.uniform(0.3, 1.7) if rng.random() < 0.5 else 1.0

    def tint(image: Floats) -> Floats:
        grey = image.mean(-1, keepdims=True)
        toned = (grey + saturation * (image - grey) - 128) * gain + 128 + lift
        return np.clip(toned, 0, 255).astype(np.float32)

    return Picture(tint(picture.image), tint(picture.reference))


def warped(picture: Picture, scene: Scene, rng: np.random.Generator) -> Picture:
    """Shapes moved by a smooth field of a few pixels."""
    field, deviation = displacement(picture.image.shape[:2], rng), rng.uniform(0.8, 4)
    return Picture(moved(picture.image, field, deviation), moved(picture.reference, field, deviation))


def replaced(picture: Picture, scene: Scene, rng: np.random.Generator) -> Picture:
    """Sharp content of another photo in some places, matched in mean colour."""
    mask = random_blobs(picture.image.shape[:2], rng)
    matched = scene.foreign + (picture.reference - scene.foreign).mean((0, 1)) * np.float32(rng.uniform(0, 1))

    def replace(image: Floats) -> Floats:
        return (mask * matched + (1 - mask) * image).astype(np.float32)

    return Picture(replace(picture.image), replace(picture.reference))


def _rendered(picture: Picture, image: NDArray[np.floating] | Pixels) -> Picture:
    return Picture(np.clip(image, 0, 255).astype(np.float32), picture.reference)


BASES: tuple[Base, ...] = (
    interpolated,
    unsharp,
    denoised,
    median_filtered,
    back_projected,
    partly_restored,
    soft_truth,
    locally_restored,
    ground_truth,
)
BASE_SHARES = (0.1, 0.1, 0.08, 0.04, 0.08, 0.2, 0.1, 0.1, 0.2)
RENDERING: tuple[Artefact, ...] = (
    noisy,
    oversharpened,
    softened,
    gridded,
    blocky,
    compressed,
    textured,
    foreign_detail,
)
CONTENT: tuple[Artefact, ...] = (tinted, warped, replaced)
ARTEFACTS: tuple[Artefact, ...] = (*RENDERING, *CONTENT)


@dataclass(frozen=True)
class Candidate:
    """A drawn candidate: pixels uint8 [H, W, 3], the clean image that it depicts, and how it was made."""

    pixels: Pixels
    reference: Pixels
    recipe: str


def make(scene: Scene, base: Base, artefacts: tuple[Artefact, ...], rng: np.random.Generator) -> Candidate:
    """Apply `artefacts` in order to `base`."""
    picture = Picture(base(scene, rng), scene.gt)
    for artefact in artefacts:
        picture = artefact(picture, scene, rng)
    recipe = "+".join(step.__name__ for step in (base, *artefacts))
    return Candidate(to_pixels(picture.image), to_pixels(picture.reference), recipe)


def draw(scene: Scene, rng: np.random.Generator) -> Candidate:
    """A random candidate: 25 % a bare base, 55 % with one artefact, 20 % with two."""
    base = BASES[rng.choice(len(BASES), p=BASE_SHARES)]
    count = int(rng.choice(3, p=(0.25, 0.55, 0.2)))
    chosen = rng.choice(len(ARTEFACTS), size=count, replace=False)
    return make(scene, base, tuple(ARTEFACTS[i] for i in sorted(chosen, reverse=True)), rng)


def scene_of(lr: Pixels, gt: Pixels, foreign: Pixels) -> Scene:
    """LR uint8 [h, w, 3]; GT and a foreign crop uint8 [H, W, 3]."""
    view = lr_view(lr, *gt.shape[:2]).astype(np.float32)
    return Scene(view, lr, gt.astype(np.float32), foreign.astype(np.float32))
