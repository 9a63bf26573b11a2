"""The base's styles: which noise leads to which, and what each makes of a pair."""

import numpy as np
import pytest
import torch

from oars.generator.miniature.pool import Pictures
from oars.generator.miniature.styles import Style, style_codes, styled, styles_of, with_turned_codes

pytestmark = pytest.mark.unit

PLAIN = Style(boldness=1, corrected=0, sharpness=0)


def noises(count: int) -> torch.Tensor:
    return torch.randn(count, 36, 16, generator=torch.Generator().manual_seed(0))


def test_codes_are_independent_and_of_unit_variance_whatever_the_size() -> None:
    codes = style_codes(noises(4000))
    assert torch.allclose(torch.cov(codes.T), torch.eye(3), atol=0.06)


def test_what_is_alike_within_each_patch_has_no_code() -> None:
    """So a picture's colours and slopes hide no style."""
    flat = torch.randn(2, 36, 4, 1).expand(-1, -1, -1, 4).flatten(-2)
    assert style_codes(flat).abs().max() < 1e-5


def test_most_styles_are_bold_and_some_are_timid() -> None:
    styles = np.array(styles_of(noises(4000)))
    assert 0.45 <= styles[:, 0].min() < 0.5 and 1.0 < styles[:, 0].max() <= 1.05 and np.median(styles[:, 0]) > 0.85
    assert -0.25 <= styles[:, 1].min() < -0.2 and 0.95 < styles[:, 1].max() <= 1 and np.median(styles[:, 1]) > 0.6
    assert -0.3 <= styles[:, 2].min() < -0.25 and 0.55 < styles[:, 2].max() <= 0.6


@pytest.fixture
def pictures() -> Pictures:
    """A GT with texture, a restored picture that is too dark, and an LR that is darker yet."""
    texture = np.random.default_rng(0).integers(-20, 21, (64, 64, 3))
    return Pictures((140 + texture).astype(np.uint8), *(np.full((64, 64, 3), level, np.uint8) for level in (100, 60)))


def test_boldness_leads_from_the_lr_to_the_restored_picture(pictures: Pictures) -> None:
    for boldness, level in ((0.0, 60), (0.5, 80), (1.0, 100)):
        assert (styled(pictures, PLAIN._replace(boldness=boldness)) == level).all()


def test_a_correction_takes_the_truth_s_colour_and_not_its_texture(pictures: Pictures) -> None:
    truth = pictures.gt.astype(float)
    for corrected, level in ((1.0, 140), (-0.25, 90)):
        target = styled(pictures, PLAIN._replace(corrected=corrected)).astype(float)
        assert abs(target.mean() - level) < 1
        assert target.std() < truth.std() / 4


def test_sharpness_raises_and_lowers_an_edge() -> None:
    edge = np.full((64, 64, 3), 80, np.uint8)
    edge[:, 32:] = 160
    soft, sharp = (styled(Pictures(edge, edge, edge), PLAIN._replace(sharpness=s)).max() for s in (-0.3, 0.6))
    assert soft == 160 and sharp > 170


def test_turned_codes_change_sign_and_nothing_else() -> None:
    noise = noises(8)
    turned = with_turned_codes(noise)
    assert torch.allclose(style_codes(turned), -style_codes(noise), atol=1e-5)
    assert torch.allclose(turned.square().sum((1, 2)), noise.square().sum((1, 2)), rtol=1e-5)
    assert torch.allclose(with_turned_codes(turned), noise, atol=1e-5)
