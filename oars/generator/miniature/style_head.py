"""Lets a transformer of the miniature's size find the style codes of its noise (`styles.style_codes`), by setting one
attention head by hand (ours).

A code is a twelfth of a standard deviation in each token; it shows only when all tokens are averaged. Training alone
did not find it within 300 steps. So one head of the first block attends to all tokens of the token's own picture, its
values are the codes, and it writes them into three hidden dimensions. Training goes on from there and may change it.
"""

from collections.abc import Callable
from contextlib import ExitStack

import torch
from diffusers import QwenImageTransformer2DModel
from torch import Tensor, nn

from oars.alignment.flow_matching import flow_matching_loss, interpolate
from oars.alignment.messages import Conditioning
from oars.generator.miniature.styles import CODES, token_codes
from oars.generator.policy import predict_velocity
from oars.precision import compute_dtype

_BIAS = 2.0
"""Stands for query and key; both are normalised after."""
_WRITTEN = 3.0
"""Standard deviations of a hidden dimension, about, that a code of 1 is written with."""
_RIDGE = 1e-3


@torch.no_grad()
def set_style_head(
    transformer: QwenImageTransformer2DModel, x0: Tensor, noise: Tensor, t: Tensor, conditioning: list[Conditioning]
) -> None:
    """Replace the head of the first block that these samples miss least; x0 and noise [B, N, C], t [B]."""
    x_t, block, tokens = interpolate(x0, noise, t), transformer.transformer_blocks[0], noise.shape[1]
    seen: dict[str, Tensor] = {}

    def error() -> float:
        v = predict_velocity(transformer, x_t, t, conditioning, compute_dtype("native"))
        return flow_matching_loss(v, x0, noise).mean().item()

    columns = _least_needed(block.attn.to_out[0], transformer.config.num_attention_heads, error)
    with ExitStack() as hooks:
        hooks.enter_context(block.attn.to_v.register_forward_hook(lambda _, given, __: seen.update(read=given[0])))
        hooks.enter_context(block.img_mod.register_forward_hook(lambda _, __, made: seen.update(modulation=made)))
        hooks.enter_context(block.register_forward_hook(lambda _, __, made: seen.update(hidden=made[1])))
        error()
    for layer in (block.attn.to_q, block.attn.to_k):
        _attend_to_own_picture(layer, columns)
    _read(block.attn.to_v, columns, seen["read"][:, :tokens].flatten(0, 1), token_codes(x_t).flatten(0, 1), tokens)
    gate = seen["modulation"].chunk(6, dim=-1)[2]
    _write(block.attn.to_out[0], columns, gate.float(), seen["hidden"][:, :tokens].float().std((0, 1)))


def _least_needed(output: nn.Linear, heads: int, error: Callable[[], float]) -> slice:
    """The columns of the head without which the error is least; they are 0 afterwards."""
    size, found = output.in_features // heads, dict[int, float]()
    for head in range(heads):
        columns = slice(head * size, (head + 1) * size)
        kept = output.weight[:, columns].clone()
        output.weight[:, columns] = 0
        found[head] = error()
        output.weight[:, columns] = kept
    least = min(found, key=found.__getitem__)
    columns = slice(least * size, (least + 1) * size)
    output.weight[:, columns] = 0
    return columns


def _attend_to_own_picture(layer: nn.Linear, columns: slice) -> None:
    """A constant in the fastest pair of the rotary embedding's first axis, which counts pictures: tokens of another
    picture get less than a fiftieth of the weight of one's own."""
    layer.weight[columns] = 0
    layer.bias[columns] = 0
    layer.bias[columns.start] = _BIAS


def _read(values: nn.Linear, columns: slice, features: Tensor, codes: Tensor, tokens: int) -> None:
    """The values become the codes, by ridge regression on features [M, D]; larger by what averaging takes from them."""
    inputs = torch.cat([features, features.new_ones(len(features), 1)], dim=1).double()
    ridge = _RIDGE * len(inputs) * inputs.square().mean() * torch.eye(inputs.shape[1], device=inputs.device)
    found = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ codes.double()).to(values.weight) * tokens**0.5
    rows = slice(columns.start, columns.start + CODES)
    values.weight[rows], values.bias[rows] = found[:-1].T, found[-1]


def _write(output: nn.Linear, columns: slice, gate: Tensor, spread: Tensor) -> None:
    """Into the quietest dimensions whose gate [B, D] is open at all times; nothing else of attention writes there."""
    steady = gate.sign().mean(0).abs() * gate.abs().amin(0)
    usable = steady >= steady.topk(len(steady) // 16).values[-1]
    for code, row in enumerate(torch.where(usable, spread, torch.inf).topk(CODES, largest=False).indices.tolist()):
        output.weight[row], output.bias[row] = 0, 0
        output.weight[row, columns.start + code] = _WRITTEN / gate[:, row].mean()
