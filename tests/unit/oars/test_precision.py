"""`native` follows the processor; what is named is what is used."""

import copy

import pytest
import torch

from oars.precision import compute_dtype, computing_in, computing_in_float32


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"avx2": True, "avx512_bf16": True}, torch.bfloat16),
        ({"architecture": "x86_64", "amx_bf16": True}, torch.bfloat16),
        ({"architecture": "aarch64"}, torch.float32),
    ],
)
def test_native_is_bfloat16_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, object], expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert compute_dtype("native") == expected
    assert (compute_dtype("float32"), compute_dtype("bfloat16")) == (torch.float32, torch.bfloat16)


def test_native_is_bfloat16_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert compute_dtype("native") == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_arithmetic_runs_in_the_dtype(dtype: torch.dtype) -> None:
    with computing_in(dtype):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_resting_weights_compute_in_float32_where_asked() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 4)).bfloat16()
    before, x = copy.deepcopy(module), torch.randn(3, 8)
    with torch.no_grad(), computing_in_float32(module):
        answer = module(x)
    torch.testing.assert_close(answer, copy.deepcopy(module).float()(x), rtol=0, atol=0)
    assert answer.dtype == torch.float32 and module(x.bfloat16()).dtype == torch.bfloat16
    for now, then in zip(module.parameters(), before.parameters(), strict=True):
        assert now.dtype == torch.bfloat16 and torch.equal(now, then)
