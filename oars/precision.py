"""Chooses the precision of arithmetic, applies it to a block of code, and makes a process repeatable.

`native` is bfloat16 where the processor has instructions for it and float32 elsewhere: a CPU without them emulates
bfloat16, and a matrix product takes fifty times as long (measured with AVX2). Each process decides for itself, so on a
cluster of unlike machines name one precision: then all compute alike. Ours.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Literal

import torch
from torch import nn

from oars.config.base import Precision

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def compute_dtype(precision: Precision | Literal["float16"]) -> torch.dtype:
    """The dtype that `precision` means in this process."""
    if precision == "native":
        return torch.bfloat16 if torch.cuda.is_available() or cpu_has_bfloat16() else torch.float32
    return _DTYPES[precision]


def cpu_has_bfloat16() -> bool:
    """True if this processor has bfloat16 instructions: avx512_bf16 or amx_bf16 on x86, sve_bf16 or the like on Arm."""
    return any(present is True for name, present in torch.cpu.get_capabilities().items() if name.endswith("bf16"))


def computing_in(dtype: torch.dtype, device: str = "cpu") -> AbstractContextManager[None]:
    """Autocast to `dtype` on a device of this type; nothing for float32."""
    context: AbstractContextManager[None] = torch.autocast(device, dtype, enabled=dtype != torch.float32)
    return context


def compute_repeatably(threads: int) -> None:
    """Let this process give the same bytes for the same work; called before its first work on a device.

    cuBLAS reads its workspace setting when it starts, and without one it may sum in another order from call to call.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)


@contextmanager
def in_one_thread() -> Iterator[None]:
    """Inside, torch computes in one thread: some of its operations round otherwise where several share the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def computing_in_float32(module: nn.Module) -> Iterator[None]:
    """Inside, forward passes of a module whose weights rest in a lower precision are float32 throughout.

    Each layer's weights are float32 while that layer computes, so that memory holds one layer more, not the model
    twice. Going up and back changes no bit.
    """
    with ExitStack() as hooks:
        for layer in module.modules():
            resting = {name: p.dtype for name, p in layer.named_parameters(recurse=False) if p.dtype != torch.float32}
            if resting:
                before = layer.register_forward_pre_hook(
                    lambda layer, _, r=resting: _hold(layer, dict.fromkeys(r, torch.float32))
                )
                after = layer.register_forward_hook(lambda layer, *_, r=resting: _hold(layer, r))
                hooks.callback(before.remove)
                hooks.callback(after.remove)
        yield


def _hold(layer: nn.Module, dtypes: dict[str, torch.dtype]) -> None:
    for name, dtype in dtypes.items():
        parameter = layer.get_parameter(name)
        parameter.data = parameter.data.to(dtype)
