"""The judge's prompts: what each version asks, in which template, with which letter for the best."""

import pytest

from oars.compass.judge_card import JUDGE_CARD, BadCard, JudgeCard, prompt_version_of
from oars.compass.miniature.judge_model import SPECIAL_TOKENS, build_processor, build_tokenizer
from oars.compass.prompt import IMAGE, NEWEST, VERSIONS, Prompts, message_parts, plain, score_tokens
from oars.miniature import miniature_path

TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda version: version.name)
def test_every_score_level_is_one_token_and_the_sets_are_disjoint(version):
    tokens = score_tokens(build_tokenizer(), version)
    assert list(tokens.quality.values()) == [1, 2, 3, 4, 5]
    assert list(tokens.fidelity.values()) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert len(set(tokens.ids)) == 11


def test_a_is_the_best_to_every_chat_model_and_was_the_worst_in_the_first_version():
    levels = NEWEST.fidelity_levels
    assert levels["A"] == max(levels.values()) and levels["F"] == min(levels.values())
    assert VERSIONS["compass-1"].fidelity_levels["A"] == 0


def test_qwens_special_tokens_are_single_and_prompts_are_short():
    tokenizer, prompts = build_tokenizer(), Prompts.of(build_processor(build_tokenizer()), NEWEST)
    assert all(len(tokenizer.encode(token, add_special_tokens=False)) == 1 for token in SPECIAL_TOKENS)
    assert len(tokenizer.encode(prompts.transition)) < 48 and len(tokenizer.encode(prompts.quality)) < 40
    assert tokenizer.decode(tokenizer.encode(prompts.quality, add_special_tokens=False)) == prompts.quality


def test_both_prompts_begin_with_the_same_tokens_up_to_the_end_of_the_lr():
    tokenizer, prompts = build_tokenizer(), Prompts.of(build_processor(build_tokenizer()), NEWEST)
    rows = [tokenizer.encode(prompt, add_special_tokens=False) for prompt in (prompts.quality, prompts.transition)]
    end = rows[0].index(tokenizer.convert_tokens_to_ids("<|vision_end|>"))
    assert rows[0][: end + 1] == rows[1][: end + 1]


def test_a_question_is_asked_in_the_checkpoints_own_template():
    """The template's own words stay; the answer follows directly."""
    processor = build_processor(build_tokenizer())
    assert Prompts.of(processor, NEWEST).transition == TURN.format(NEWEST.transition)
    processor.chat_template = (
        "SYSTEM {% for part in messages[0]['content'] %}{{ part['text'] if part['type'] == 'text' else '<picture>' }}"
        "{% endfor %}{% if add_generation_prompt and enable_thinking is false %} ANSWER:{% endif %}"
    )
    asked = Prompts.of(processor, NEWEST)
    assert asked.quality == "SYSTEM " + NEWEST.quality.replace(IMAGE, "<picture>") + " ANSWER:"
    assert asked.transition == "SYSTEM " + NEWEST.transition.replace(IMAGE, "<picture>") + " ANSWER:"


def test_without_a_template_a_question_is_one_plain_turn():
    processor = build_processor(build_tokenizer())
    processor.chat_template = processor.tokenizer.chat_template = None
    assert Prompts.of(processor, NEWEST).quality == TURN.format(NEWEST.quality) == plain(NEWEST.quality)


def test_a_message_has_its_texts_and_pictures_in_order():
    first = message_parts(VERSIONS["compass-1"].transition)
    assert [part["type"] for part in first] == ["text", "image", "text", "image", "text"]
    assert [part["type"] for part in message_parts(NEWEST.transition)] == ["image", "image", "text"]


def test_the_card_says_in_which_words_and_a_stock_checkpoint_is_asked_in_the_newest(tmp_path):
    assert prompt_version_of(tmp_path) is NEWEST and JudgeCard.of(tmp_path) is None
    (tmp_path / JUDGE_CARD).write_text(JudgeCard(prompt_version="compass-1").model_dump_json())
    assert prompt_version_of(tmp_path) is VERSIONS["compass-1"]
    card = JudgeCard.of(miniature_path("judge"))
    assert card is not None and prompt_version_of(miniature_path("judge")).name == card.prompt_version


@pytest.mark.parametrize(
    ("text", "what"), [('{"prompt_version": "compass-0"}', "prompt_version 'compass-0'"), ("{", JUDGE_CARD)]
)
def test_a_bad_card_is_one_line_that_names_it(tmp_path, text, what):
    (tmp_path / JUDGE_CARD).write_text(text)
    with pytest.raises(BadCard, match=what) as caught:
        prompt_version_of(tmp_path)
    assert "\n" not in str(caught.value)
