"""Config of the Real-ESRGAN second-order degradation; the defaults are the published `x4plus` training set.

Source: Wang et al., "Real-ESRGAN", 2021, section 3 and its released x4plus options. Fields marked *ours* are not in it.
`DegradationConfig.mild()` is our gentle variant, for pretraining a base model on general restoration.
"""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, NonNegativeFloat, NonNegativeInt, model_validator

from oars.config.base import Config


def _ordered(interval: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= interval[0] <= interval[1]:
        raise ValueError("expected 0 <= low <= high")
    return interval


def _odd(sizes: tuple[int, int]) -> tuple[int, int]:
    if sizes[0] % 2 == 0 or sizes[1] % 2 == 0:
        raise ValueError("kernel sizes are odd")
    return sizes


def _jpeg(quality: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= quality[0] <= quality[1] <= 100:
        raise ValueError("JPEG quality is in 1..100")
    return quality


Interval = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""Bounds of a uniform draw."""
Sizes = Annotated[tuple[int, int], AfterValidator(_ordered), AfterValidator(_odd)]
"""Smallest and largest odd kernel side; all odd sides between are equally likely."""
Quality = Annotated[tuple[int, int], AfterValidator(_jpeg)]
"""Bounds of libjpeg's quality, inclusive."""
Probability = Annotated[float, Field(ge=0, le=1)]
Strengths = Annotated[tuple[Probability, Probability], AfterValidator(_ordered)]
"""Bounds of a uniform draw for `at_strength`."""


class KernelConfig(Config):
    """Distribution of a blur kernel: a sinc with probability `sinc`, else one of six Gaussian-like shapes."""

    size: Sizes = (7, 21)
    """Smallest and largest odd side of the kernel, pixels."""
    sinc: Probability = 0.1
    """Probability of a sinc."""
    isotropic: Probability = 0.45
    """Probability of an isotropic Gaussian, given no sinc; the six shapes sum to 1."""
    anisotropic: Probability = 0.25
    """Probability of an anisotropic Gaussian."""
    generalised_isotropic: Probability = 0.12
    """Probability of an isotropic generalised Gaussian."""
    generalised_anisotropic: Probability = 0.03
    """Probability of an anisotropic generalised Gaussian."""
    plateau_isotropic: Probability = 0.12
    """Probability of an isotropic plateau."""
    plateau_anisotropic: Probability = 0.03
    """Probability of an anisotropic plateau."""
    sigma: Interval = (0.2, 3.0)
    """Standard deviation along each axis, pixels."""
    beta_generalised: Interval = (0.5, 4.0)
    """Shape exponent of the generalised Gaussian; below and above 1 are equally likely."""
    beta_plateau: Interval = (1.0, 2.0)
    """Shape exponent of the plateau; below and above 1 are equally likely where the bounds allow both."""

    @model_validator(mode="after")
    def _shapes_sum_to_one(self) -> Self:
        if abs(sum(self.shapes.values()) - 1) > 1e-6:
            raise ValueError(f"probabilities of the six kernel shapes sum to {sum(self.shapes.values()):g}, not 1")
        return self

    @property
    def shapes(self) -> dict[str, float]:
        """Shape name -> probability, given that the kernel is not a sinc."""
        names = ("isotropic", "anisotropic")
        return {
            f"{family}{name}": getattr(self, f"{family}{name}")
            for family in ("", "generalised_", "plateau_")
            for name in names
        }


class ResizeConfig(Config):
    """Random resize: enlarge, reduce, or (the rest of the probability) keep."""

    up: Probability = 0.2
    """Probability of enlarging."""
    down: Probability = 0.7
    """Probability of reducing."""
    factor: Interval = (0.15, 1.5)
    """Smallest and largest factor; reducing draws from (low, 1), enlarging from (1, high)."""

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.up + self.down > 1 + 1e-6:
            raise ValueError("up + down exceed 1")
        return self


class NoiseConfig(Config):
    """Additive Gaussian noise with probability `gaussian`, else Poisson noise."""

    gaussian: Probability = 0.5
    """Probability of Gaussian noise."""
    sigma: Interval = (1.0, 30.0)
    """Standard deviation of the Gaussian, 8-bit levels."""
    poisson_scale: Interval = (0.05, 3.0)
    """Multiplier of the Poisson noise."""
    grey: Probability = 0.4
    """Probability that the noise is the same in the three channels."""


class StageConfig(Config):
    """One order of the degradation: blur, resize, noise, JPEG."""

    blur: Probability = 1.0
    """Probability of a blur."""
    kernel: KernelConfig = KernelConfig()
    """Blur kernel."""
    resize: ResizeConfig = ResizeConfig()
    """Random resize."""
    noise: NoiseConfig = NoiseConfig()
    """Additive noise."""
    jpeg_quality: Quality = (30, 95)
    """Bounds of libjpeg's quality, drawn as a whole number; chroma is 4:2:0."""

    def at_strength(self, strength: float) -> "StageConfig":
        """See `DegradationConfig.at_strength`."""
        kernel, resize, noise = self.kernel, self.resize, self.noise
        low, high = kernel.sigma
        factors = tuple(1 - strength * (1 - factor) for factor in resize.factor)
        quality = tuple(round(100 - strength * (100 - level)) for level in self.jpeg_quality)
        levels = {field: tuple(strength * x for x in getattr(noise, field)) for field in ("sigma", "poisson_scale")}
        shape = {"sigma": (low, low + strength * (high - low)), "sinc": kernel.sinc * strength}
        return self.model_copy(
            update={
                "blur": self.blur * strength,
                "kernel": kernel.model_copy(update=shape),
                "resize": resize.model_copy(update={"factor": factors}),
                "noise": noise.model_copy(update=levels),
                "jpeg_quality": quality,
            }
        )


class SharpenConfig(Config):
    """Unsharp mask of the GT before it is degraded; the target itself stays as it is."""

    weight: NonNegativeFloat = 0.5
    """Amount of sharpening; 0 switches it off."""
    radius: NonNegativeInt = 50
    """Side of the Gaussian window, pixels (made odd); its sigma follows as 0.3 ((side - 1) / 2 - 1) + 0.8."""
    threshold: NonNegativeFloat = 10.0
    """8-bit levels of detail below which nothing is sharpened."""


class DegradationConfig(Config):
    """Two orders, then resize to `1 / scale`, final sinc and JPEG in one of two sequences."""

    sharpen: SharpenConfig = SharpenConfig()
    """Unsharp mask of the GT."""
    first: StageConfig = StageConfig()
    """First order."""
    second: StageConfig = StageConfig(
        blur=0.8,
        kernel=KernelConfig(sigma=(0.2, 1.5)),
        resize=ResizeConfig(up=0.3, down=0.4, factor=(0.3, 1.2)),
        noise=NoiseConfig(sigma=(1.0, 25.0), poisson_scale=(0.05, 2.5)),
    )
    """Second order. Its resize factor and the JPEG work at `1 / scale` of the GT's size."""
    final_size: Sizes = (7, 21)
    """Smallest and largest odd side of the final sinc kernel, pixels."""
    final_sinc: Probability = 0.8
    """Probability of the final sinc filter."""
    jpeg_last: Probability = 0.5
    """Probability of (resize, sinc, JPEG); otherwise (JPEG, resize, sinc)."""
    margin: NonNegativeInt = 32
    """GT pixels of surroundings that are degraded with a crop and then cut off, so that its borders see true neighbours
    (ours; rounded down to the scale)."""

    def at_strength(self, strength: float) -> "DegradationConfig":
        """Ours: 1 is this config, 0 only reduces the size; between, every range and chance shrinks in proportion."""
        if strength == 1:
            return self
        return self.model_copy(
            update={
                "sharpen": self.sharpen.model_copy(update={"weight": self.sharpen.weight * strength}),
                "first": self.first.at_strength(strength),
                "second": self.second.at_strength(strength),
                "final_sinc": self.final_sinc * strength,
            }
        )

    @classmethod
    def mild(cls) -> Self:
        """Ours: slight blur, light noise, high JPEG quality, no sharpening; what a general restorer sees."""
        kernel = KernelConfig(size=(7, 13), sinc=0.0, sigma=(0.2, 1.2))
        resize = ResizeConfig(up=0.1, down=0.1, factor=(0.7, 1.2))
        noise = NoiseConfig(sigma=(0.5, 6.0), poisson_scale=(0.02, 0.4))
        stage = StageConfig(blur=0.7, kernel=kernel, resize=resize, noise=noise, jpeg_quality=(75, 98))
        gentle = stage.model_copy(
            update={
                "blur": 0.2,
                "kernel": kernel.model_copy(update={"sigma": (0.2, 0.6)}),
                "noise": NoiseConfig(sigma=(0.5, 3.0), poisson_scale=(0.02, 0.2)),
            }
        )
        return cls(sharpen=SharpenConfig(weight=0.0), first=stage, second=gentle, final_sinc=0.2)


class LowQualityConfig(Config):
    """Inputs of the reference-free stage; no ground truth exists for them.

    Real low-quality photos as they are, if there is a folder of them. Of `data.photos` one's soft full-size pixels, or,
    where it has none, its pixels shrunk little or not at all, then one light order (ours).
    """

    photos: str | None = Field(default=None, min_length=1)
    """Folder of real low-quality photos, as `data.photos` takes one; their pixels are inputs, untouched."""
    share: Probability = 0.5
    """Share of the inputs that are drawn from it; the others are of `data.photos`."""

    shrink: Interval = (1.0, 2.0)
    """Bounds of the factor by which the photo is reduced, antialiased."""
    stage: StageConfig = StageConfig(
        blur=0.5,
        kernel=KernelConfig(size=(7, 13), sinc=0.0, sigma=(0.2, 1.2)),
        resize=ResizeConfig(up=0.0, down=0.0),
        noise=NoiseConfig(sigma=(1.0, 10.0), poisson_scale=(0.05, 0.8)),
        jpeg_quality=(50, 95),
    )
    """Light defocus, noise and compression; its resize must keep the size."""

    @model_validator(mode="after")
    def _keeps_size(self) -> Self:
        if self.shrink[0] < 1:
            raise ValueError("shrink is at least 1")
        if self.stage.resize.up + self.stage.resize.down > 0:
            raise ValueError("stage.resize must keep the size: up = down = 0")
        return self
