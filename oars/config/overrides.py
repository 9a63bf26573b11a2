"""`--set field=value`: the value is YAML, unless the field is text, which takes what was given as it stands.

Text that looks like something else (a date, a number, `no`, `fix: colour`, `*.png`) thus needs no quotes; quotes around
the whole of it are taken off, as YAML does.
"""

from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import yaml

from oars.config.base import BadConfig, Config

NOT_YAML = (yaml.YAMLError, ValueError)
"""Errors that PyYAML raises; a ValueError for a text that looks like a date and is none."""


def assign(model: type[Config], tree: dict[str, Any], override: str) -> None:
    """Put the value into the tree of `model`. Raises BadConfig quoting the override."""
    dotted, equals, value = override.partition("=")
    if not equals:
        raise BadConfig(f"override {override!r}: expected field=value")
    *parents, leaf = names = dotted.strip().split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise BadConfig(f"override {override!r}: {parent} is not a group of fields")
    try:
        tree[leaf] = _parsed(_type_of(model, names), value)
    except NOT_YAML as error:
        raise BadConfig(f"override {override!r}: not YAML: {' '.join(str(error).split())}") from error


def _parsed(kind: Any, value: str) -> Any:
    if _is_text(kind) and not (_may_be_none(kind) and value.strip() in ("", "~", "null")):
        return yaml.safe_load(value) if value[:1] in ("'", '"') and value[-1:] == value[:1] != value else value
    loader = _Texts if _holds_text(kind) else yaml.SafeLoader
    return yaml.load(value, loader)  # both are safe loaders


class _Texts(yaml.SafeLoader):
    """Leaves every scalar the text that it is."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


def _type_of(kind: Any, names: list[str]) -> Any:
    """The annotation of a dotted field; None for one that there is not."""
    for name in names:
        kind = next(filter(None, (_member(part, name) for part in _parts(kind))), None)
    return kind


def _member(kind: Any, name: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Config):
        field = kind.model_fields.get(name)
        return field and field.annotation
    return get_args(kind)[1] if get_origin(kind) in (dict, Mapping) else None


def _parts(kind: Any) -> tuple[Any, ...]:
    """The members of a union; a type alone is its own."""
    if get_origin(kind) is Annotated:
        return _parts(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return tuple(part for member in get_args(kind) for part in _parts(member))
    return (kind,)


def _is_text(kind: Any) -> bool:
    parts = [part for part in _parts(kind) if part is not NoneType]
    return bool(parts) and all(
        part in (str, Path) or (get_origin(part) is Literal and all(isinstance(v, str) for v in get_args(part)))
        for part in parts
    )


def _may_be_none(kind: Any) -> bool:
    return NoneType in _parts(kind)


def _holds_text(kind: Any) -> bool:
    """A collection whose values are all text."""
    values = get_args(kind) if get_origin(kind) in (tuple, list, dict) else ()
    return bool(values) and all(value is Ellipsis or _is_text(value) for value in values)
