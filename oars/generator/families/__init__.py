"""The kinds of generators: one module each, chosen by the pipeline class that a model's `model_index.json` names.

The rest of the house knows none of their classes. A further kind is a module with the members of `Family` and one entry
here (docs/how-to.md).
"""

import json
from pathlib import Path

from oars.config import GeneratorConfig
from oars.errors import UserError
from oars.generator.families.flux_kontext import FLUX_KONTEXT
from oars.generator.families.protocol import Family
from oars.generator.families.qwen_edit_plus import QWEN_EDIT_PLUS
from oars.model_files import PIPELINE_INDEX

FAMILIES: tuple[Family, ...] = (QWEN_EDIT_PLUS, FLUX_KONTEXT)


class TooManyPictures(UserError, ValueError):
    """`generator.show_lr` for an editor of one picture."""


def family_in(directory: Path) -> Family:
    """Of a pipeline directory that `oars.miniature.resolve_model` has found good."""
    name = json.loads((directory / PIPELINE_INDEX).read_text())["_class_name"]
    return next(family for family in FAMILIES if family.pipeline_class.__name__ == name)


def family_of(part: object) -> Family:
    """Of a pipeline, its transformer or its VAE."""
    return next(
        family
        for family in FAMILIES
        if isinstance(part, family.pipeline_class | family.transformer_class | family.vae_class)
    )


def check_pictures(family: Family, config: GeneratorConfig) -> None:
    """Raises TooManyPictures."""
    if config.pictures > family.most_pictures:
        raise TooManyPictures(f"generator.show_lr: {family.pipeline_class.__name__} edits one picture")
