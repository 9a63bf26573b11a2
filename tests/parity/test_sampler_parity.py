"""Our sampler and codec against the diffusers pipeline, our solver against diffusers' own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, QwenImageEditPlusPipeline
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as edit_plus
from PIL import Image
from tiny import SIDE, picture

from oars.alignment.messages import Conditioning
from oars.config import GeneratorConfig
from oars.config.generator import PreRestoration
from oars.generator.codec import Codec
from oars.generator.conditioning import Conditioner
from oars.generator.miniature.tiny import build_tiny
from oars.generator.policy import predict_velocity
from oars.generator.pre_restoration import PreRestorer
from oars.generator.sampler import Velocity, denoise, flow_times, guided
from oars.seeds import seeded_noise

PROMPT_AREA = 64 * 64


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> QwenImageEditPlusPipeline:
    directory: Path = build_tiny(tmp_path_factory.mktemp("tiny"))
    return QwenImageEditPlusPipeline.from_pretrained(directory)


@pytest.mark.parametrize(("cfg", "show_lr"), [(1.0, False), (4.0, False), (1.0, True)])
def test_euler_equals_the_pipeline(
    pipeline: QwenImageEditPlusPipeline, monkeypatch: pytest.MonkeyPatch, cfg: float, show_lr: bool
) -> None:
    # The pipeline fixes the condition's areas; the miniature's tokens are few, so they are set to ours.
    monkeypatch.setattr(edit_plus, "VAE_IMAGE_SIZE", SIDE * SIDE)
    monkeypatch.setattr(edit_plus, "CONDITION_IMAGE_SIZE", PROMPT_AREA)
    network: PreRestoration = "animevideov3" if show_lr else "none"
    config = GeneratorConfig(text_image_area=PROMPT_AREA, pre_restoration=network, show_lr=show_lr)
    codec = Codec(pipeline.vae)
    # Handed over at the output size, so that neither side resizes for the VAE.
    lr = picture(0, SIDE)
    shown = [*PreRestorer(network).restore([lr], SIDE, SIDE), lr][: 1 + show_lr]
    conditioner = Conditioner(pipeline, config, codec)
    conditioning, away = (conditioner.condition(lr, SIDE, SIDE, prompt) for prompt in (None, " "))
    noise = seeded_noise((1, *conditioning.shape), 7, "initial", 0)
    theirs = pipeline(
        image=[Image.fromarray(each) for each in shown],
        prompt=config.prompt,
        prompt_embeds=None,
        height=SIDE,
        width=SIDE,
        num_inference_steps=5,
        true_cfg_scale=cfg,
        negative_prompt=" " if cfg > 1 else None,
        latents=noise,
        output_type="latent",
    ).images

    def velocity(of: Conditioning) -> Velocity:
        return lambda x, t: predict_velocity(pipeline.transformer, x, t, [of], torch.float32)

    times = flow_times(pipeline.scheduler, 5, noise.shape[1])
    # Guidance of 1, which neither computes, would leave its rounding.
    led = guided(velocity(conditioning), velocity(away), cfg) if cfg > 1 else velocity(conditioning)
    with torch.no_grad():
        ours = denoise(led, noise, times, "euler")
    assert (ours - noise).abs().max() > 0.1
    torch.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_dpm2m_equals_diffusers_between_the_euler_ends() -> None:
    """A nonlinear velocity field, so that the order of the solver shows; diffusers' solver does the middle steps."""
    times = torch.tensor([0.95, 0.8, 0.62, 0.41, 0.2, 0.0])
    noise = seeded_noise((2, 4, 3), 1)

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x) * (1 + t.view(-1, 1, 1)) + 0.3

    solver = DPMSolverMultistepScheduler(
        solver_order=2,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        algorithm_type="dpmsolver++",
        lower_order_final=True,
        euler_at_final=True,
        final_sigmas_type="zero",
    )
    solver.set_timesteps(len(times) - 1)
    solver.sigmas, solver.timesteps = times, times[:-1] * 1000
    x = noise
    for t, sigma in zip(solver.timesteps, times[:-1], strict=True):
        x = solver.step(velocity(x, sigma.expand(2)), t, x, return_dict=False)[0]
    torch.testing.assert_close(denoise(velocity, noise, times, "dpm2m"), x, atol=1e-5, rtol=1e-5)


def test_second_order_is_closer_to_the_exact_flow() -> None:
    """dx/dt = v with v = x has the solution x(0) = x(1) exp(-1)."""
    noise, times = torch.ones(1, 1, 1), torch.linspace(1, 0, 9)
    errors = {
        solver: (denoise(lambda x, t: x, noise, times, solver) - np.exp(-1)).abs().item()
        for solver in ("euler", "dpm2m")
    }
    assert errors["dpm2m"] < errors["euler"] / 2


@pytest.mark.parametrize("steps", [6, 12, 40])
def test_the_step_into_the_terminal_time_does_not_overshoot(pipeline: QwenImageEditPlusPipeline, steps: int) -> None:
    """Of Gaussian data of unit variance the velocity is known, and the exact flow keeps every value where it is."""
    times = flow_times(pipeline.scheduler, steps, 144)

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        weight = t.view(-1, 1, 1)
        return x * (2 * weight - 1) / ((1 - weight) ** 2 + weight**2)

    ends = {solver: denoise(velocity, torch.ones(1, 1, 1), times, solver).item() for solver in ("euler", "dpm2m")}
    assert ends["euler"] < ends["dpm2m"] < 1.02


def test_codec_matches_the_pipeline(pipeline: QwenImageEditPlusPipeline) -> None:
    image, codec = picture(3, SIDE), Codec(pipeline.vae)
    tensor = pipeline.image_processor.preprocess(Image.fromarray(image), SIDE, SIDE).unsqueeze(2)
    theirs = pipeline._encode_vae_image(tensor, generator=None)
    rows = 2 * SIDE // codec.pixels_per_token
    packed = pipeline._pack_latents(theirs, 1, pipeline.vae.config.z_dim, rows, rows)
    torch.testing.assert_close(codec.encode(image[None]), packed, atol=0, rtol=0)
