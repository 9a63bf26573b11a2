"""The noise of a tile is its window of one field."""

import torch

from oars.generator.noise_field import NoiseField


def test_overlapping_windows_agree_and_others_differ() -> None:
    field = NoiseField(3, columns=20, channels=5)
    first, second = (field.window(0, left, 6, 8).view(6, 8, 5) for left in (0, 4))
    assert torch.equal(first[:, 4:], second[:, :4])
    assert (first[:, :4] - second[:, :4]).abs().mean() > 0.5
    assert torch.equal(field.window(2, 4, 3, 8), second[2:5].flatten(0, 1))


def test_it_is_standard_normal_and_follows_from_the_seed() -> None:
    noise = NoiseField(3, 40, 8).window(0, 0, 40, 40)
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 1) < 0.02
    assert torch.equal(noise, NoiseField(3, 40, 8).window(0, 0, 40, 40))
    assert not torch.equal(noise, NoiseField(4, 40, 8).window(0, 0, 40, 40))
