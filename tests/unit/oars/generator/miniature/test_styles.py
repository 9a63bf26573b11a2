"""The base's styles: which noise leads to which, and what each makes of a pair."""

import numpy as np
import pytest
import torch

from oars.generator.miniature.pool import Pictures
from oars.generator.miniature.styles import (
    BOLDNESS,
    SHARPNESS,
    TRUST,
    Style,
    style_codes,
    styled,
    styles_of,
    with_turned_codes,
)

pytestmark = pytest.mark.unit

PLAIN = Style(boldness=1, trust=0, sharpness=0)


def noises(count: int) -> torch.Tensor:
    return torch.randn(count, 36, 16, generator=torch.Generator().manual_seed(0))


def test_codes_are_independent_and_of_unit_variance_whatever_the_size() -> None:
    codes = style_codes(noises(4000))
    assert torch.allclose(torch.cov(codes.T), torch.eye(3), atol=0.06)


def test_what_is_alike_within_each_patch_has_no_code() -> None:
    """So a picture's colours and slopes hide no style."""
    flat = torch.randn(2, 36, 4, 1).expand(-1, -1, -1, 4).flatten(-2)
    assert style_codes(flat).abs().max() < 1e-5


def test_styles_fill_their_ranges_and_most_are_bold() -> None:
    styles = np.array(styles_of(style_codes(noises(4000))))
    for values, (least, most) in zip(styles.T, (BOLDNESS, TRUST, SHARPNESS), strict=True):
        step = (most - least) / 20
        assert least - 1e-6 <= values.min() < least + step and most - step < values.max() <= most + 1e-6
    boldness, *others = np.median(styles, axis=0)
    assert abs(boldness - 1) < 0.01
    assert np.abs(np.array(others) - np.mean([TRUST, SHARPNESS], axis=1)).max() < 0.05


@pytest.fixture
def pictures() -> Pictures:
    """A restored picture with texture, and an LR that is darker."""
    texture = np.random.default_rng(0).integers(-20, 21, (64, 64, 3))
    return Pictures((100 + texture).astype(np.uint8), np.full((64, 64, 3), 60, np.uint8))


def test_boldness_leads_from_the_lr_to_the_restored_picture(pictures: Pictures) -> None:
    restored, lr = (each.astype(float) for each in pictures)
    for boldness in (0.0, 0.5, 1.0):
        target = styled(pictures, PLAIN._replace(boldness=boldness))
        assert np.abs(target - (lr + boldness * (restored - lr))).max() <= 0.5


def test_trust_takes_the_lr_s_colours_and_keeps_the_restored_texture(pictures: Pictures) -> None:
    texture = pictures.restored.astype(float).std()
    for trust, level in ((1.0, 60), (0.0, 100), (-0.5, 120)):
        target = styled(pictures, PLAIN._replace(trust=trust)).astype(float)
        assert abs(target.mean() - level) < 1
        assert 0.9 < target.std() / texture < 1.1


def test_sharpness_raises_and_lowers_an_edge() -> None:
    edge = np.full((64, 64, 3), 80, np.uint8)
    edge[:, 32:] = 160
    soft, sharp = (styled(Pictures(edge, edge), PLAIN._replace(sharpness=s)).max() for s in (-0.3, 0.6))
    assert soft == 160 and sharp > 170


def test_turned_codes_change_sign_and_nothing_else() -> None:
    noise = noises(8)
    turned = with_turned_codes(noise)
    assert torch.allclose(style_codes(turned), -style_codes(noise), atol=1e-5)
    assert torch.allclose(turned.square().sum((1, 2)), noise.square().sum((1, 2)), rtol=1e-5)
    assert torch.allclose(with_turned_codes(turned), noise, atol=1e-5)
