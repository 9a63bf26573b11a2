"""The cold start on real DeepSpeed ranks: what it writes, and how much memory that takes."""

import ctypes
import multiprocessing
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
import torch
from tiny import pairs, tiny_config

from oars.config import RunConfig
from oars.generator.miniature.pipeline import build_transformer
from oars.generator.miniature.tiny import build_tiny
from oars.generator.parts import named_parts
from oars.generator.policy import load_transformer

Trained = Literal["all", "lora"]
LAYERS = 8


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blocks are most of its 170 MB, as they are of the full-size model's 82 GB."""
    from diffusers import AutoencoderKLQwenImage

    directory = build_tiny(tmp_path_factory.mktemp("deep") / "generator")
    vae = AutoencoderKLQwenImage.from_pretrained(directory / "vae")
    build_transformer(vae, seed=0, layers=LAYERS, heads=6, head_dim=64).save_pretrained(directory / "transformer")
    return directory


def configured(generator: Path, trained: Trained, ranks: int) -> RunConfig:
    tree = tiny_config(generator).model_dump()
    tree["learner"] |= {"ranks": ranks, "zero_stage": 0}
    tree["stages"]["cold_start"] |= {"trained": trained, "zero_stage": 3 if ranks > 1 else 0, "warmup": 0}
    tree["stages"]["cold_start"]["lora"] |= {"rank": 4, "alpha": 8}
    return RunConfig.model_validate(tree)


@dataclass(frozen=True)
class Saved:
    grad_norm: float
    peak: int
    """Bytes that a rank took beside what it held before it wrote."""


def _train_and_save(config: RunConfig, rank: int, address: str, path: Path, answers: Any) -> None:
    os.environ["DS_ACCELERATOR"] = "cpu"
    torch.set_num_threads(1)
    from learner.cold_start import ColdStart
    from learner.engine import join

    join(rank, config.learner.ranks, address)
    phase = ColdStart(config, rank, config.learner.ranks)
    report = phase.step(pairs(3))
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the greatest resident size starts anew
    before = psutil.Process().memory_info().rss
    phase.save_weights(path)
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    answers.put(Saved(report.grad_norm, peak - before))


def saved(config: RunConfig, path: Path) -> list[Saved]:
    """One step on three crops, then the SFT weights in `path`; one answer a rank."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    ranks = [
        context.Process(target=_train_and_save, args=(config, rank, address, path, answers))
        for rank in range(config.learner.ranks)
    ]
    for rank in ranks:
        rank.start()
    told = [answers.get(timeout=300) for _ in ranks]
    for rank in ranks:
        rank.join()
    return told


@pytest.mark.parametrize("trained", ["all", "lora"])
def test_two_partitioned_ranks_write_what_one_does_block_by_block(
    generator: Path, tmp_path: Path, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (configured(generator, trained, ranks) for ranks in (1, 2))
    # The C library otherwise keeps what was freed, in pieces, and the resident size would count it.
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")
    with ThreadPoolExecutor() as both:  # most of each is the start of its processes
        alone, together = both.map(saved, (one, two), (tmp_path / "one", tmp_path / "two"))
    assert together[0].grad_norm == pytest.approx(alone[0].grad_norm, rel=1e-3)
    base = load_transformer(one.generator).state_dict()
    first, second = (load_transformer(one.generator, tmp_path / name).state_dict() for name in ("one", "two"))
    assert base.keys() == first.keys() == second.keys()
    moved = {name for name in base if not torch.equal(base[name], first[name])}
    targets = one.stages.cold_start.lora.targets
    adapted = {name for name in base if name.removesuffix(".weight").endswith(targets) and name.endswith(".weight")}
    # The last block's text stream leads nowhere, so its gradient is zero.
    assert (moved <= adapted or trained == "all") and len(moved) > 0.9 * len(adapted if trained == "lora" else base)
    for name in base:
        torch.testing.assert_close(second[name], first[name], atol=2e-5, rtol=0)

    parts = dict(named_parts(load_transformer(one.generator)))
    sizes = {name: sum(p.nbytes for p in part.parameters()) for name, part in parts.items()}
    share, block = sum(sizes.values()) / 2, max(sizes.values())
    assert block < share / 4
    peaks = [rank.peak / 2**20 for rank in together]
    print(f"{trained}: share {share / 2**20:.0f} MiB, block {block / 2**20:.0f}, beside the share at peak {peaks}")
    assert max(rank.peak for rank in together) < 0.3 * share + block
