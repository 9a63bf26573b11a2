"""What lies beside a judge's weights: its card, which says how it was made and in which words it is asked.

A directory without a card is a stock checkpoint, which was never fine-tuned on this project's questions.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from oars.compass.prompt import NEWEST, VERSIONS, PromptVersion
from oars.errors import UserError, naming
from oars.json_files import read_json

JUDGE_CARD = "oars_judge.json"
JUDGE_LABELS = "oars_labels.json"
"""File beside a judge's weights: the fitted scale of its fidelity labels, on which FR-RL measures F."""


class BadCard(UserError, ValueError):
    """A card that cannot be read, or one of prompts that are unknown here."""


class JudgeCard(BaseModel):
    """oars_judge.json, beside a judge's weights: what it was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    prompt_version: str = NEWEST.name
    data_digest: str = ""
    enhancers: tuple[str, ...] = ()
    """Enhancers whose transitions it was trained on."""
    held_out_enhancers: tuple[str, ...] = ()
    """Enhancers in its data set that training left out."""
    step: int = 0
    accuracy: float | None = None
    """Validation pair accuracy at that step."""

    @classmethod
    def of(cls, judge: Path) -> "JudgeCard | None":
        """None for a stock checkpoint. Raises BadCard."""
        file = judge / JUDGE_CARD
        with naming("judge", BadCard):
            return read_json(file, cls, BadCard) if file.is_file() else None


def prompt_version_of(judge: Path) -> PromptVersion:
    """The words in which the checkpoint in this directory is asked. Raises BadCard."""
    card = JudgeCard.of(judge)
    if card is None:
        return NEWEST
    if card.prompt_version not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise BadCard(f"judge: {judge / JUDGE_CARD}: prompt_version {card.prompt_version!r}, expected one of {known}")
    return VERSIONS[card.prompt_version]
