"""Reads a config model out of a YAML file; any error in it becomes one line naming the file and the field."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from oars.config.base import BadConfig, Config
from oars.config.overrides import NOT_YAML, assign
from oars.json_files import first_fault

Model = TypeVar("Model", bound=Config)


def read_config(model: type[Model], path: Path | str, overrides: list[str] | None = None) -> Model:
    """Read `model` from YAML; `overrides` are dotted assignments such as `control.max_staleness=0`.

    Raises BadConfig with one line that names the file and the field.
    """
    try:
        tree = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except NOT_YAML as error:
        raise BadConfig(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise BadConfig(f"{path}: expected a mapping at the top level")
    for override in overrides or []:
        assign(model, tree, override)
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise BadConfig(f"{path}: {first_fault(error)}") from error
