"""The judge's questions, by prompt version, and the tokens that its scores are read from.

Both prompts begin with the LR image, so a group's K transition prompts and its one quality prompt of the LR share that
prefix.
  quality prompt     one picture  -> Q: of the LR, read once a group, so that it cannot depend on any candidate
  transition prompt  LR, then SR  -> F
Each answer is the distribution over score tokens at the first answer position: one prefill, one decoded position, no
text to parse. A prompt is one user message, rendered by the checkpoint's own chat template. The paper states neither
prompt nor answer format: both are ours; reading an expectation over score tokens is Edit-R1's.

`compass-2` asks one thing at a time, as a chat model that was never fine-tuned answers, with A for the best; Q_SR is
the quality prompt's answer about the SR. `compass-1` reads Q_SR beside F, at the transition prompt's one position, and
its letters ascend. A judge is asked in the version that it was trained with (oars/compass/judge_card.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from jinja2 import TemplateError

from oars.compass.score_tokens import ScoreTokens, Tokenizer
from oars.errors import UserError

IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
"""Marks a picture in a question; also what Qwen's chat templates make of one."""
END = "<|im_end|>"


@dataclass(frozen=True)
class PromptVersion:
    """Both questions, with `IMAGE` where a picture is shown, and the values of the levels, ascending."""

    name: str
    quality: str
    transition: str
    quality_levels: Mapping[str, float]
    fidelity_levels: Mapping[str, float]
    joint: bool
    """Whether Q_SR is read in the transition prompt's answer, each token set with half of its mass."""


_QUALITY_LEVELS = {"1": 1.0, "2": 2.0, "3": 3.0, "4": 4.0, "5": 5.0}
_VERSIONS = (
    PromptVersion(
        name="compass-1",
        quality=f"Input: {IMAGE}\nRate the quality of the input, 1 to 5.",
        transition=f"Input: {IMAGE}\nOutput: {IMAGE}\n"
        "Rate how faithful the output is, A to F, and its quality, 1 to 5.",
        quality_levels=_QUALITY_LEVELS,
        fidelity_levels={"A": 0.0, "B": 0.2, "C": 0.4, "D": 0.6, "E": 0.8, "F": 1.0},
        joint=True,
    ),
    PromptVersion(
        name="compass-2",
        quality=f"{IMAGE}Rate the quality of this image from 1 (bad) to 5 (excellent). Answer with one digit.",
        transition=f"{IMAGE}{IMAGE}The second image restores the first. Rate how faithful it is from A (fully) to F "
        "(not at all). Answer with one letter.",
        quality_levels=_QUALITY_LEVELS,
        fidelity_levels={"F": 0.0, "E": 0.2, "D": 0.4, "C": 0.6, "B": 0.8, "A": 1.0},
        joint=False,
    ),
)
VERSIONS = {version.name: version for version in _VERSIONS}
NEWEST = _VERSIONS[-1]
"""What every training uses, and what a checkpoint without a card is asked."""


class BadPrompts(UserError, ValueError):
    """A checkpoint that cannot be asked: its chat template, or its tokenizer; the message is one line."""


class Templated(Tokenizer, Protocol):
    """A tokenizer of transformers."""

    chat_template: Any

    def apply_chat_template(self, conversation: Any, **settings: Any) -> Any: ...


class Processor(Protocol):
    """A processor of transformers."""

    chat_template: Any
    tokenizer: Any


@dataclass(frozen=True)
class Prompts:
    """A version's questions as one checkpoint is asked them: rendered, with its score tokens."""

    version: PromptVersion
    quality: str
    transition: str
    tokens: ScoreTokens

    @classmethod
    def of(cls, processor: Processor, version: PromptVersion) -> Self:
        """In the processor's chat template, else its tokenizer's, else plain. Raises BadPrompts."""
        template = processor.chat_template or processor.tokenizer.chat_template
        quality, transition = (
            rendered(text, processor.tokenizer, template) if template else plain(text)
            for text in (version.quality, version.transition)
        )
        return cls(version, quality, transition, score_tokens(processor.tokenizer, version))

    def about(self, pictures: int) -> str:
        """The prompt that shows one picture, or two."""
        return self.quality if pictures == 1 else self.transition


def score_tokens(tokenizer: Tokenizer, version: PromptVersion) -> ScoreTokens:
    """Raises BadPrompts if a level is not one token of this tokenizer."""
    try:
        return ScoreTokens.of(tokenizer, version.quality_levels, version.fidelity_levels)
    except ValueError as error:
        raise BadPrompts(str(error)) from error


def plain(text: str) -> str:
    """The prompt of a question to a checkpoint without a chat template: one turn in Qwen's marks."""
    return f"<|im_start|>user\n{text}{END}\n<|im_start|>assistant\n"


def rendered(text: str, tokenizer: Templated, template: str) -> str:
    """The prompt of a question: one user message, up to where the answer begins. Raises BadPrompts."""
    try:
        prompt: str = tokenizer.apply_chat_template(
            [{"role": "user", "content": message_parts(text)}],
            chat_template=template,
            tokenize=False,
            add_generation_prompt=True,
            # A model that may think first is told to answer at once; other templates ignore the switch.
            enable_thinking=False,
        )
    except TemplateError as error:
        raise BadPrompts(f"its chat template takes no message with pictures: {error}") from error
    if not shows(prompt, text):
        raise BadPrompts(f"its chat template leaves out words of the question: {prompt!r}")
    return prompt


def shows(prompt: str, text: str) -> bool:
    """Whether a rendered prompt has the question's words, in their order."""
    place = 0
    for words in text.split(IMAGE):
        found = prompt.find(words, place)
        if found < 0:
            return False
        place = found + len(words)
    return True


def message_parts(text: str) -> list[dict[str, str]]:
    """A question as the parts of a chat message, texts and pictures in their order."""
    first, *others = text.split(IMAGE)
    parts = [{"type": "text", "text": first}]
    for other in others:
        parts += [{"type": "image"}, {"type": "text", "text": other}]
    return [part for part in parts if part.get("text") != ""]
