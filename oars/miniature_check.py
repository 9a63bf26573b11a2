"""Measures the miniature models on evaluation photos: the figures of their model card."""

from pathlib import Path

import numpy as np

from oars.compass.judge import Judge
from oars.config import DataConfig, SamplerConfig
from oars.config.degradation import DegradationConfig
from oars.generator.miniature.build import miniature_config
from oars.generator.policy import load_pipeline, load_transformer
from oars.generator.pre_restoration import resize
from oars.generator.upscaler import Upscaler
from oars.imaging.crops import Pair, evaluation_pairs
from oars.metrics.perceptual import stlpips
from oars.metrics.pixel import psnr

SIDE = 96
CROPS = 12
STEPS = 8


def measure(directory: Path) -> dict[str, float]:
    """Means over held-out crops: VAE reconstruction, the base against bicubic on mild x4, the judge on GT and LR."""
    generator = miniature_config(directory / "generator")
    upscaler = Upscaler(
        load_pipeline(generator),
        load_transformer(generator),
        generator,
        SamplerConfig(solver="euler", inference_steps=STEPS),
    )
    data = DataConfig(
        photos="all",
        crop=SIDE,
        evaluation_crop=SIDE,
        evaluation_crops=CROPS,
        degradation=DegradationConfig.mild(),
    )
    judge = Judge.load(directory / "judge")
    rows = [_row(pair, data.scale, upscaler, judge) for pair in evaluation_pairs(data, seed=0)]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _row(pair: Pair, scale: int, upscaler: Upscaler, judge: Judge) -> dict[str, float]:
    assert pair.gt is not None
    bicubic, base = resize(pair.lr, SIDE, SIDE), upscaler.sample(pair.lr, scale, seed=0)
    again = upscaler.codec.decode(upscaler.codec.encode(pair.gt[None]), upscaler.codec.grid(SIDE, SIDE))[0]
    same, truth = judge.score(pair.lr, np.stack([bicubic, pair.gt]))
    return {
        "vae psnr, dB": psnr(again, pair.gt),
        "bicubic psnr, dB": psnr(bicubic, pair.gt),
        "base psnr, dB": psnr(base, pair.gt),
        "bicubic st-lpips": stlpips(bicubic, pair.gt),
        "base st-lpips": stlpips(base, pair.gt),
        "judge F of bicubic": same.fidelity,
        "judge Q_SR of bicubic": same.q_sr,
        "judge Q_SR of gt": truth.q_sr,
        "judge Q_LR": truth.q_lr,
    }
