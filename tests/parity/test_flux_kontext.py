"""The second family: its sampler against its own pipeline, its adapter, a step that learns.

What it shares with the first, from a learner's checkpoint to plain diffusers, is in `test_trained_export.py`.
"""

import pytest
import torch
from diffusers import FluxKontextPipeline
from PIL import Image
from tiny import SIDE, fresh_snapshot, picture, tiny_config

from oars.alignment.messages import Conditioning
from oars.alignment.nft import nft_loss
from oars.config import RunConfig
from oars.generator.codec import Codec
from oars.generator.conditioning import Conditioner
from oars.generator.families import TooManyPictures
from oars.generator.families import restore_flux_kontext as restore
from oars.generator.merge import add_delta
from oars.generator.miniature.tiny_flux import build_tiny_flux
from oars.generator.policy import AdapterMismatch, Policy, load_pipeline, load_transformer, predict_velocity
from oars.generator.sampler import denoise, flow_times
from oars.seeds import seeded_noise

STEPS = 3
SAMPLER = {"solver": "euler", "inference_steps": STEPS}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    folder = tmp_path_factory.mktemp("flux")
    return tiny_config(build_tiny_flux(folder / "base"), runs=str(folder / "runs"), sampler=SAMPLER)


@pytest.fixture(scope="module")
def pipeline(config: RunConfig) -> FluxKontextPipeline:
    loaded = load_pipeline(config.generator)
    assert isinstance(loaded, FluxKontextPipeline)
    return loaded


@pytest.fixture(scope="module")
def conditioning(config: RunConfig, pipeline: FluxKontextPipeline) -> Conditioning:
    return Conditioner(pipeline, config.generator, Codec(pipeline.vae)).condition(picture(0, SIDE), SIDE, SIDE)


def test_it_edits_one_picture(config: RunConfig, pipeline: FluxKontextPipeline) -> None:
    shown = config.generator.model_copy(update={"pre_restoration": "animevideov3", "show_lr": True})
    with pytest.raises(TooManyPictures, match=r"generator\.show_lr: FluxKontextPipeline edits one picture"):
        Conditioner(pipeline, shown, Codec(pipeline.vae))


def test_euler_equals_the_pipeline(
    config: RunConfig, pipeline: FluxKontextPipeline, conditioning: Conditioning
) -> None:
    noise = seeded_noise((1, *conditioning.shape), 7, "initial", 0)
    # The exported script: the pipeline as a user calls it.
    facts = {"scale": 1, "prompt": config.generator.prompt, "steps": STEPS, "cfg": 1.0, "pre_restoration": "none"}
    theirs = restore.restore(pipeline, Image.fromarray(picture(0, SIDE)), facts, latents=noise, output_type="latent")
    with torch.no_grad():
        ours = denoise(
            lambda x, t: predict_velocity(pipeline.transformer, x, t, [conditioning], torch.float32),
            noise,
            flow_times(pipeline.scheduler, STEPS, noise.shape[1]),
            "euler",
        )
    assert (ours - noise).abs().max() > 0.1
    torch.testing.assert_close(ours[0], theirs, atol=0, rtol=0)


def test_a_published_adapter_arrives(config: RunConfig, conditioning: Conditioning) -> None:
    policy = Policy(load_transformer(config.generator), config.generator, ("old",), config.seed)
    before, snapshot = policy.fingerprint("old"), fresh_snapshot(config, version=3, shift=0.05)
    assert policy.install(snapshot, "old") == len(snapshot.tensors) == 2 * (8 + 3)
    assert policy.digest("old") == snapshot.digest and policy.fingerprint("old") != before
    x, t = seeded_noise((2, *conditioning.shape), 2), torch.tensor([0.9, 0.3])
    with torch.no_grad():
        adapted, reference = (policy.velocity(x, t, [conditioning] * len(x), role) for role in ("old", None))
        merged = add_delta(load_transformer(config.generator), snapshot, config.generator.lora)
        plain = predict_velocity(merged, x, t, [conditioning] * 2, torch.float32)
    assert (adapted - reference).abs().max() > 1e-3
    torch.testing.assert_close(plain, adapted, atol=1e-4, rtol=1e-4)
    del snapshot.tensors[next(iter(snapshot.tensors))]
    with pytest.raises(AdapterMismatch, match="1 missing"):
        policy.install(snapshot, "old")


def test_one_step_of_the_optimiser_lowers_the_loss(config: RunConfig, conditioning: Conditioning) -> None:
    policy = Policy(load_transformer(config.generator), config.generator, ("current",), config.seed)
    parameters = list(policy.named_parameters("current").values())
    for parameter in parameters:
        parameter.requires_grad_(True)
    shape = conditioning.shape
    x0, t = seeded_noise((4, *shape), "x0"), torch.tensor([0.2, 0.4, 0.6, 0.8])
    x_t = (1 - t).view(-1, 1, 1) * x0 + t.view(-1, 1, 1) * seeded_noise((4, *shape), "noise")
    with torch.no_grad():
        v_old = policy.velocity(x_t, t, [conditioning] * len(x_t), None)

    def loss() -> torch.Tensor:
        v_theta = policy.velocity(x_t, t, [conditioning] * len(x_t), "current")
        r = torch.tensor([1.0, 0.9, 0.8, 1.0])
        return nft_loss(v_theta, v_old, v_old, x_t, x0, t, r, config.objective).total.mean()

    optimiser = torch.optim.AdamW(parameters, lr=1e-3)
    before = loss()
    before.backward()
    optimiser.step()
    with torch.no_grad():
        assert loss() < before.detach()
