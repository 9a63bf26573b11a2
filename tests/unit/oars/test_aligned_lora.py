"""A generator's LoRA lies beside it, belongs to its weights, and need not be there."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from oars.aligned_lora import aligned_lora
from oars.files import fingerprint
from oars.miniature import miniature_path
from oars.model_files import MissingModel


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    return shutil.copytree(miniature_path("generator"), tmp_path / "mine")


def lora_beside(generator: Path, base_digest: str) -> Path:
    file = generator.with_name("mine_aligned.safetensors")
    save_file({"transformer.x.lora_A.weight": torch.ones(2)}, file, {"oars.base_digest": base_digest})
    return file


def test_a_generator_may_come_without_a_lora(generator: Path) -> None:
    assert aligned_lora(generator) is None


def test_the_lora_of_these_weights_is_found(generator: Path) -> None:
    file = lora_beside(generator, fingerprint(generator / "transformer"))
    assert aligned_lora(generator) == file


def test_a_lora_of_other_weights_is_refused(generator: Path) -> None:
    lora_beside(generator, "else")
    with pytest.raises(MissingModel, match=r"mine_aligned\.safetensors: trained on other weights"):
        aligned_lora(generator)


def test_a_lora_that_was_cut_short_is_named(generator: Path) -> None:
    file = lora_beside(generator, fingerprint(generator / "transformer"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(MissingModel, match=r"mine_aligned\.safetensors: \d+ bytes, its header says"):
        aligned_lora(generator)


def test_the_lora_that_is_shipped_belongs_to_the_shipped_base() -> None:
    shipped = aligned_lora(miniature_path("generator"))
    assert shipped is None or shipped.parent == miniature_path("generator").parent
