"""Reads a config model out of a YAML file; whatever is wrong with it becomes one line naming the file and the field."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from oars.config.base import Config
from oars.errors import UserError

Model = TypeVar("Model", bound=Config)


class BadConfig(UserError, ValueError):
    """A profile that cannot be used; the message is one line naming the file and the field."""


def read_config(model: type[Model], path: Path | str, overrides: list[str] | None = None) -> Model:
    """Read `model` from YAML; `overrides` are dotted assignments such as `control.max_staleness=0`.

    Raises BadConfig with one line that names the file and the field.
    """
    try:
        tree = yaml.safe_load(Path(path).read_text()) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        raise BadConfig(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise BadConfig(f"{path}: expected a mapping at the top level")
    for override in overrides or []:
        _assign(tree, override)
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        parts = (str(path), field, first["msg"].removeprefix("Value error, "))
        raise BadConfig(": ".join(filter(None, parts))) from error


def _assign(tree: dict[str, Any], override: str) -> None:
    dotted, equals, value = override.partition("=")
    if not equals:
        raise BadConfig(f"override {override!r}: expected field=value")
    *parents, leaf = dotted.strip().split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise BadConfig(f"override {override!r}: {parent} is not a group of fields")
    tree[leaf] = yaml.safe_load(value)
