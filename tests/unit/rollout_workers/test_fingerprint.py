"""The fingerprint changes with the policy and with nothing else; a model that does not use its adapter is found out."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import fresh_snapshot, tiny_config

from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from oars.generator.policy import AdapterMismatch, Policy, load_transformer
from rollout_workers.fingerprint import Fingerprints


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 4))
def test_an_honest_worker_is_never_accused(versions: list[int], workers: int) -> None:
    fingerprints = Fingerprints()
    for i, version in enumerate(versions):
        fingerprints.check(f"rollout-{i % workers}", f"digest-{version}", f"song-{version}")
    with pytest.raises(AdapterMismatch):
        fingerprints.check(f"rollout-{(len(versions) - 1) % workers}", "digest-new", f"song-{versions[-1]}")


def test_the_same_song_for_another_adapter_is_an_error() -> None:
    fingerprints = Fingerprints()
    fingerprints.check("rollout-0", "digest-0", "song-0")
    fingerprints.check("rollout-1", "digest-1", "song-0")
    with pytest.raises(AdapterMismatch, match="the model does not use them"):
        fingerprints.check("rollout-0", "digest-1", "song-0")


def test_another_song_for_the_same_adapter_is_an_error_unless_the_worker_was_lost() -> None:
    fingerprints = Fingerprints()
    fingerprints.check("rollout-0", "digest-0", "song-0")
    with pytest.raises(AdapterMismatch, match="before and"):
        fingerprints.check("rollout-0", "digest-0", "song-1")
    fingerprints.forget("rollout-0")
    fingerprints.check("rollout-0", "digest-0", "song-1")


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def policy(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[RunConfig, Policy]]:
    config = tiny_config(build_tiny(tmp_path_factory.mktemp("tiny") / "generator"))
    generator = config.generator.model_copy(update={"dtype": request.param})
    config = config.model_copy(update={"generator": generator})
    yield config, Policy(load_transformer(config.generator), config.generator, ("old",), config.seed)


def test_a_real_policy_has_a_fingerprint_of_its_own(policy: tuple[RunConfig, Policy]) -> None:
    config, model = policy
    songs = []
    for shift in (0.05, 0.0501, 0.05):
        model.install(fresh_snapshot(config, shift=shift), "old")
        songs.append(model.fingerprint("old"))
        assert songs[-1] == model.fingerprint("old")
    assert songs[0] == songs[2] != songs[1]


def test_the_base_rests_in_its_dtype_and_the_adapter_is_float32(policy: tuple[RunConfig, Policy]) -> None:
    config, model = policy
    adapter = {id(parameter) for parameter in model.named_parameters("old").values()}
    for parameter in model.transformer.parameters():
        resting = getattr(torch, config.generator.dtype)
        assert parameter.dtype == (torch.float32 if id(parameter) in adapter else resting)


def test_an_adapter_that_is_scaled_to_nothing_keeps_its_digest_and_shows_in_the_fingerprint(
    policy: tuple[RunConfig, Policy],
) -> None:
    config, model = policy
    for module in model.transformer.modules():
        if isinstance(scaling := getattr(module, "scaling", None), dict):
            scaling["old"] = 0.0
    fingerprints = Fingerprints()
    snapshots = [fresh_snapshot(config, version, shift) for version, shift in ((0, 0.05), (1, -0.05))]
    model.install(snapshots[0], "old")
    fingerprints.check("rollout-0", model.digest("old"), model.fingerprint("old"))
    model.install(snapshots[1], "old")
    assert model.digest("old") == snapshots[1].digest
    with pytest.raises(AdapterMismatch, match="the model does not use them"):
        fingerprints.check("rollout-0", model.digest("old"), model.fingerprint("old"))
