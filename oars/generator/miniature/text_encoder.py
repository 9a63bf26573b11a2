"""The miniature's text side: a Qwen2.5-VL of the real class, its tokenizer and its processor, with random weights.

The prompt is one constant sentence and the LR image reaches the transformer through its VAE latents, so this encoder is
a fixed random feature map: it is never trained (the pipeline never trains it either). Its tokenizer is a byte-level BPE
learnt from the pipeline's own prompt template, so the template's system part takes about as many tokens as in Qwen's.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

from oars.qwen import SPECIAL_TOKENS

HIDDEN = 64


def build_tokenizer(directory: Path, texts: list[str], vocabulary: int = 512) -> Qwen2Tokenizer:
    """Train a byte-level BPE on `texts`; written to and loaded from `directory` in Qwen2's own file format."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, min_frequency=1)
    bpe.train_from_iterator(texts, trainer)
    directory.mkdir(parents=True, exist_ok=True)
    bpe.model.save(str(directory))
    vocab = json.loads((directory / "vocab.json").read_text())
    merges = [tuple(line.split(" ")) for line in (directory / "merges.txt").read_text().splitlines() if line[0] != "#"]
    tokenizer = Qwen2Tokenizer(
        vocab=vocab, merges=merges, extra_special_tokens=list(SPECIAL_TOKENS), pad_token="<|endoftext|>"
    )
    tokenizer.save_pretrained(directory)
    return tokenizer


def build_processor(tokenizer: Qwen2Tokenizer) -> Qwen2VLProcessor:
    pixels = {"shortest_edge": 56 * 56, "longest_edge": 384 * 384 * 2}
    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=pixels),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(size=pixels),
    )


def build_text_encoder(tokenizer: Qwen2Tokenizer, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL_TOKENS}
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": HIDDEN,
            "intermediate_size": 2 * HIDDEN,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "rope_scaling": {"rope_type": "default", "mrope_section": [4, 6, 6]},
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
        },
        vision_config={
            "depth": 2,
            "hidden_size": HIDDEN,
            "intermediate_size": 2 * HIDDEN,
            "num_heads": 2,
            "out_hidden_size": HIDDEN,
            "fullatt_block_indexes": [1],
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    torch.manual_seed(seed)
    return Qwen2_5_VLForConditionalGeneration(config).eval()
