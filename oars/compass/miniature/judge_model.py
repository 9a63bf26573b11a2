"""The miniature judge's directory: the real Qwen3-VL class, small, with a tokenizer and processor of its own.

Everything that loads a Qwen3-VL checkpoint (transformers, vLLM) loads this one unchanged. One merged visual token
covers 16 x 16 pixels, images between 64 x 64 and 1024 x 1024 keep their size (sides rounded to multiples of 16), and
a score level is one token. The sizes are ours.
"""

import copy
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from oars.compass.prompt import NEWEST, plain, score_tokens
from oars.qwen import SPECIAL_TOKENS
from oars.seeds import derive_seed

PATCH_SIZE = 8
MERGE_SIZE = 2
MIN_PIXELS = 64 * 64
MAX_PIXELS = 1024 * 1024
POSITION_GRID = 16
"""Side of the learned position grid, in patches; the class resamples it to each image."""

# Qwen's own split into words, digits one by one.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_VOCABULARY = 384
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or 'image' in part or 'image_url' in part %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE whose merges come from the two prompts, so that a prompt is a few dozen tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    tokenizer.train_from_iterator([plain(text) for text in (NEWEST.quality, NEWEST.transition)], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL_TOKENS[1:]),
        model_max_length=8192,
        chat_template=_CHAT_TEMPLATE,
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLProcessor:
    """Image processor that leaves sides that are multiples of 16 alone and maps [0, 255] to [-1, 1]."""
    settings = {
        "patch_size": PATCH_SIZE,
        "temporal_patch_size": 2,
        "merge_size": MERGE_SIZE,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "size": {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS},
    }
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(**settings),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(**settings),
        chat_template=_CHAT_TEMPLATE,
    )


def judge_config(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLConfig:
    """About 1.9 M parameters. Heads of 64 channels, which vLLM's CPU attention takes."""
    token = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL_TOKENS}
    text = {
        "vocab_size": _round_up(len(tokenizer), 64),
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "max_position_embeddings": 8192,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5_000_000.0,
            "mrope_section": [12, 10, 10],
            "mrope_interleaved": True,
        },
        "bos_token_id": None,
        "eos_token_id": token["<|im_end|>"],
        "pad_token_id": token["<|endoftext|>"],
        "tie_word_embeddings": False,
    }
    vision = {
        "depth": 3,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_heads": 2,
        "patch_size": PATCH_SIZE,
        "spatial_merge_size": MERGE_SIZE,
        "temporal_patch_size": 2,
        "out_hidden_size": 128,
        "num_position_embeddings": POSITION_GRID**2,
        "deepstack_visual_indexes": [0],
    }
    return Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=token["<|image_pad|>"],
        video_token_id=token["<|video_pad|>"],
        vision_start_token_id=token["<|vision_start|>"],
        vision_end_token_id=token["<|vision_end|>"],
        tie_word_embeddings=False,
    )


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def new_judge(config: Qwen3VLConfig, seed: int) -> Qwen3VLForConditionalGeneration:
    """A float32 judge with weights drawn from `seed`; leaves the global generator as it found it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("judge", seed))
        model = Qwen3VLForConditionalGeneration(config).float()
        _initialise(model)
    return model


def _initialise(model: Qwen3VLForConditionalGeneration) -> None:
    """Start where a small judge learns quickly: as a crude spectrum analyser (ours).

    Visible quality is mostly in how much of each spatial frequency there is, which random weights find too slowly. So
    patches start as a cosine transform, the first vision block as its rectifier, the mergers as means over their
    patches, and text attention as a mean over tokens: the answer position sees mean amplitudes from the first step.
    One text head starts with keys equal to queries, so a token of the SR attends to what resembles it: the same place
    in the LR. And the first answer is a score already, the same for all pictures: the output layer first learns what
    the analyser shows, before a constant that must be learnt everywhere drowns it.
    """
    visual, text = model.model.visual, model.model.language_model
    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear):
                _orthogonal(module, gain=0.3 if name.endswith(_BRANCH_OUTPUTS) else 1.0)
        visual.patch_embed.proj.weight.copy_(_cosine_patches(visual.patch_embed.proj.out_channels))
        visual.patch_embed.proj.bias.zero_()
        visual.pos_embed.weight.zero_()
        nn.init.normal_(visual.pos_embed.weight[:, -POSITION_CHANNELS:])
        _rectify(visual.blocks[0].mlp.linear_fc1, visual.blocks[0].mlp.linear_fc2)
        for merger in (visual.merger, *visual.deepstack_merger_list):
            _average_patches(merger.linear_fc1, merger.linear_fc2)
        nn.init.normal_(text.embed_tokens.weight, std=0.2)
        for layer in text.layers:
            layer.self_attn.o_proj.weight.copy_(2 * layer.self_attn.v_proj.weight.T)
        first = text.layers[0].self_attn
        first.k_proj.weight[: first.head_dim] = first.q_proj.weight[: first.head_dim]
        _answer_with_scores(model)


POSITION_CHANNELS = 16
"""Vision channels that start with the position and no pixels, so that positions do not blur the amplitudes."""
_BRANCH_OUTPUTS = ("attn.proj", "mlp.linear_fc2", "mlp.down_proj")
_RECTIFIER_GAIN = 4.0
"""Brings typical amplitudes to where GELU bends."""


def _orthogonal(linear: nn.Linear, gain: float) -> None:
    nn.init.orthogonal_(linear.weight, gain)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)


def _rectify(up: nn.Linear, down: nn.Linear) -> None:
    """gelu(gx) + gelu(-gx), about |gx|, of every channel."""
    width = up.in_features
    eye = torch.eye(width)
    up.weight[: 2 * width] = _RECTIFIER_GAIN * torch.cat([eye, -eye])
    down.weight[:, : 2 * width] = torch.cat([eye, eye], 1) / 2


def _average_patches(up: nn.Linear, down: nn.Linear) -> None:
    """gelu(m) - gelu(-m) = m, the mean of the merged patches by channel; the other hidden units stay random."""
    width = down.out_features
    patches = up.in_features // width
    mean = torch.eye(width).repeat(1, patches) / patches**0.5
    up.weight[: 2 * width] = torch.cat([mean, -mean])
    down.weight.mul_(0.3)
    down.weight[:, : 2 * width] = torch.cat([torch.eye(width), -torch.eye(width)], 1)


def calibrate(model: Qwen3VLForConditionalGeneration, pixels: torch.Tensor, grid: torch.Tensor) -> None:
    """Whiten what the mergers say of whole pictures: without it a few strong, constant channels hide all others.

    `pixels` and `grid` are the processor's output for a few hundred pictures of one size.
    """
    count = len(grid)
    with torch.no_grad():
        features = model.model.get_image_features(pixels, grid, return_dict=True)
        _whiten(model.model.visual.merger.linear_fc2, torch.cat(list(features.pooler_output)).unflatten(0, (count, -1)))
        for merger, layer in zip(model.model.visual.deepstack_merger_list, features.deepstack_features, strict=True):
            joined = layer if isinstance(layer, torch.Tensor) else torch.cat(list(layer))
            _whiten(merger.linear_fc2, joined.unflatten(0, (count, -1)))


def _whiten(output: nn.Linear, tokens: torch.Tensor) -> None:
    """Map its output so that means over a picture [N, T, C] have mean 0 and about unit covariance over the pictures."""
    means = tokens.mean(1)
    covariance = torch.cov(means.T)
    ridge = _WHITENING_RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance))
    values, vectors = torch.linalg.eigh(covariance + ridge)
    mapping = vectors * values.rsqrt() @ vectors.T
    output.weight.copy_(mapping @ output.weight)
    output.bias.copy_(mapping @ (output.bias - means.mean(0)))


_WHITENING_RIDGE = 0.02
"""Share of the mean variance: keeps directions that hardly vary from being blown up."""


def _answer_with_scores(model: Qwen3VLForConditionalGeneration) -> None:
    """Lean the output on the prompts' last token: score tokens along its embedding, all others against it."""
    tokenizer = build_tokenizer()
    last = model.model.language_model.embed_tokens.weight[tokenizer.encode(plain(NEWEST.quality))[-1]]
    sign = torch.full((model.lm_head.out_features, 1), -1.0)
    sign[score_tokens(tokenizer, NEWEST).ids] = 1.0
    model.lm_head.weight.copy_(sign * last / last.norm())


def _cosine_patches(channels: int) -> torch.Tensor:
    """Patch filters [channels, 3, 2, P, P]: all cosine frequencies of brightness, then the lowest of two colour
    differences, then none for POSITION_CHANNELS; gain grows with frequency, about as natural amplitudes fall."""
    places = torch.arange(PATCH_SIZE)
    waves = torch.cos(torch.pi * (places[None] + 0.5) * places[:, None] / PATCH_SIZE)
    waves = waves / waves.norm(dim=1, keepdim=True)
    order = sorted(((u, v) for u in range(PATCH_SIZE) for v in range(PATCH_SIZE)), key=sum)
    colours = torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]])
    colours = colours / colours.norm(dim=1, keepdim=True)
    share = (channels - POSITION_CHANNELS - len(order)) // 2
    wanted = [(0, uv) for uv in order] + [(c, uv) for c in (1, 2) for uv in order[:share]]
    filters = torch.zeros(channels, 3, PATCH_SIZE, PATCH_SIZE)
    for row, (c, (u, v)) in enumerate(wanted):
        filters[row] = 0.15 * (1 + u + v) * colours[c][:, None, None] * waves[u][:, None] * waves[v][None]
    return filters[:, :, None].expand(-1, -1, 2, -1, -1) / 2


def save_judge(model: Qwen3VLForConditionalGeneration, path: Path) -> None:
    """Write the whole directory: bf16 weights, configs, tokenizer, processor, chat template."""
    tokenizer = build_tokenizer()
    build_processor(tokenizer).save_pretrained(path)
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(path)


def build_judge(path: Path, seed: int) -> None:
    """Write a randomly initialised judge to `path`."""
    save_judge(new_judge(judge_config(build_tokenizer()), seed), path)
