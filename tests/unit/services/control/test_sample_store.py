"""What comes back from disk is, bit for bit, what was put there."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from oars.alignment.messages import Conditioning, TrainingSample
from services.control.sample_store import BadSample, RaySampleStore, read_sample, write_sample


def sample() -> TrainingSample:
    conditioning = Conditioning(torch.randn(5, 8).bfloat16(), torch.randn(4, 3), (2, 2))
    x0, t = torch.randn(2, 4, 3), torch.rand(2, 3)
    # A view that is neither contiguous nor alone in its storage, as a worker may return one.
    velocities = torch.randn(2, 2, 3, 4, 3)
    return TrainingSample("g1", 2**62, 7, conditioning, x0, t, velocities[:, 0], velocities[:, 1])


def equal(one: TrainingSample, other: TrainingSample) -> bool:
    for field in fields(TrainingSample):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, Conditioning):
            same = torch.equal(a.prompt_embeds, b.prompt_embeds) and torch.equal(a.image_latents, b.image_latents)
            same = same and a.prompt_embeds.dtype == b.prompt_embeds.dtype and a.grid == b.grid
        else:
            same = torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
        if not same:
            return False
    return True


def test_a_sample_comes_back_bit_for_bit(tmp_path: Path) -> None:
    written = sample()
    of_flow_grpo = replace(written, x_t=torch.randn(2, 3, 4, 3), t_next=torch.rand(1, 3).expand(2, 3))
    for one in (written, replace(written, v_ref=None), of_flow_grpo):
        write_sample(tmp_path / "g1.safetensors", one)
        assert equal(read_sample(tmp_path / "g1.safetensors"), one)
    assert [path.name for path in tmp_path.iterdir()] == ["g1.safetensors"]


@pytest.mark.parametrize("content", [None, b"", b"torn"])
def test_a_sample_that_is_missing_or_torn_is_one_line_naming_the_file(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "g1.safetensors").write_bytes(content)
    with pytest.raises(BadSample, match=r"g1\.safetensors: the sample of a finished group cannot be read"):
        read_sample(tmp_path / "g1.safetensors")


def test_a_flipped_bit_anywhere_is_one_line_naming_the_file(tmp_path: Path) -> None:
    path = tmp_path / "g1.safetensors"
    write_sample(path, sample())
    whole = path.read_bytes()
    for place in range(8, len(whole), 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BadSample, match=r"g1\.safetensors: the sample of a finished group cannot be read"):
            read_sample(path)


def test_only_what_somebody_may_ask_for_is_kept(tmp_path: Path) -> None:
    directory = tmp_path / "experience"
    store = RaySampleStore(directory)
    for group in ("a", "b", "c"):
        write_sample(directory / f"{group}.safetensors", sample())
    writing = directory / ".d.safetensors.1f.partial"
    writing.write_bytes(b"half a sample")
    store.forget(["b", "never kept"])
    store.forget_all_but(["c"])
    assert [store.holds(group) for group in ("a", "b", "c")] == [False, False, True]
    assert writing.exists(), "somebody may be at work on it"
    RaySampleStore(directory)
    assert [path.name for path in directory.iterdir()] == ["c.safetensors"], "what a driver that died left is gone"
