"""The smallest generator of the real classes, with random weights: for tests, and for measurements that train a lot."""

from pathlib import Path

import torch

from oars.generator.miniature.pipeline import assemble, build_transformer
from oars.generator.miniature.vae import build_vae


def build_tiny(directory: Path) -> Path:
    """A pipeline directory whose velocities and adapters matter (diffusers starts some layers at zero)."""
    torch.manual_seed(0)
    vae = build_vae(base_dim=8, z_dim=4)
    transformer = build_transformer(vae, seed=0, layers=1, heads=2, head_dim=32)
    for parameter in transformer.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    assemble(directory, vae, transformer, "Restore.", seed=0).save_pretrained(directory)
    return directory
