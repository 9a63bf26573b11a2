"""Readable names for keys."""

from typing import Literal

Model = Literal["lr", "bicubic", "base", "sft", "aligned", "gt"]

MODELS: dict[Model, str] = {
    "lr": "LR input",
    "bicubic": "Bicubic",
    "base": "Base",
    "sft": "SFT",
    "aligned": "Aligned",
    "gt": "Ground truth",
}
"""Phases in the order of the pipeline, which is the order on the page."""

_METRICS = {
    "reward": "COMPASS reward",
    "measured_reward": "FR-RL's reward (F measured)",
    "measured_fidelity": "F measured",
    "fidelity": "F (fidelity)",
    "F": "F (fidelity)",
    "q_lr": "Q_LR",
    "q_sr": "Q_SR (quality)",
    "Q_SR": "Q_SR (quality)",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "stlpips": "ST-LPIPS",
    "cvvdp": "ColorVideoVDP (JOD)",
    "dists": "DISTS",
    "speckle": "Speckle (levels)",
    "niqe32": "NIQE32",
    "brisque": "BRISQUE",
    "lattice": "Lattice (power)",
    "added_speckle": "Speckle beyond the truth's (levels)",
    "added_ripples": "Ripples beside edges beyond the truth's (levels)",
    "shift": "Shift to the LR (pixels)",
}


INDEPENDENT = {"niqe32", "brisque", "lattice", "added_speckle", "added_ripples", "shift"}
"""Metrics that neither the reward nor any judge's labels use: a gain in them cannot come from pleasing the judge."""


def metric_name(key: str) -> str:
    return _METRICS.get(key, key)


def short_metric_name(key: str) -> str:
    """The name without its part in brackets."""
    return metric_name(key).split(" (")[0]
