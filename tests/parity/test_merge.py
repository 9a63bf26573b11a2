"""The merged model equals the SFT weights plus what the adapter does, layer by layer and end to end."""

from pathlib import Path

import pytest
import torch
from tiny import SIDE, fresh_snapshot, tiny_config

from oars.alignment.messages import Conditioning, PolicySnapshot
from oars.config import RunConfig
from oars.generator.merge import add_delta, lora_deltas
from oars.generator.miniature.tiny import build_tiny
from oars.generator.policy import AdapterMismatch, Policy, load_transformer, predict_velocity
from oars.seeds import seeded_noise


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    directory: Path = build_tiny(tmp_path_factory.mktemp("tiny"))
    return tiny_config(directory)


def test_merging_into_the_base_equals_the_adapter(config: RunConfig) -> None:
    snapshot = fresh_snapshot(config, shift=0.05)
    policy = Policy(load_transformer(config.generator), config.generator, ("old",), config.seed)
    policy.install(snapshot, "old")
    merged = add_delta(load_transformer(config.generator), snapshot, config.generator.lora)
    side = SIDE // 8
    channels = policy.transformer.config.in_channels
    conditioning = Conditioning(seeded_noise((5, 64), 0), seeded_noise((side * side, channels), 1), (side, side))
    x, t = seeded_noise((2, side * side, channels), 2), torch.tensor([0.9, 0.3])
    with torch.no_grad():
        adapted = policy.velocity(x, t, [conditioning] * len(x), "old")
        reference = policy.velocity(x, t, [conditioning] * len(x), None)
        plain = predict_velocity(merged, x, t, [conditioning] * 2, torch.float32)
    assert (adapted - reference).abs().max() > 1e-3
    torch.testing.assert_close(plain, adapted, atol=1e-4, rtol=1e-4)


def test_merging_into_other_weights_adds_exactly_the_delta(config: RunConfig) -> None:
    snapshot, lora = fresh_snapshot(config, shift=0.05), config.generator.lora
    sft = load_transformer(config.generator)
    with torch.no_grad():
        for parameter in sft.parameters():
            parameter.add_(0.01)
    before = {name: p.detach().clone() for name, p in sft.named_parameters()}
    deltas = lora_deltas(snapshot, lora)
    add_delta(sft, snapshot, lora)
    for name, parameter in sft.named_parameters():
        expected = before[name] + deltas[name] if name in deltas else before[name]
        torch.testing.assert_close(parameter.detach(), expected)
    assert len(deltas) == 8


def test_an_adapter_that_binds_nothing_is_refused(config: RunConfig) -> None:
    transformer = load_transformer(config.generator)
    with pytest.raises(AdapterMismatch, match="no adapter tensors"):
        add_delta(transformer, PolicySnapshot(3, "", {}), config.generator.lora)
