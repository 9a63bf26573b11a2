"""The one base of every config model: frozen, unknown keys are errors. Importable without torch."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from oars.errors import UserError

Precision = Literal["native", "float32", "bfloat16"]
"""Precision of arithmetic. `native`: bfloat16 where the processor computes in it, float32 elsewhere
(oars/precision.py)."""

Decay = Annotated[float, Field(ge=0, lt=1)]
"""Decay of a running average."""


class BadConfig(UserError, ValueError):
    """A profile that cannot be used; the message is one line naming the file and the field."""


class Config(BaseModel):
    """A frozen node of the config tree. An unknown key, anywhere, is an error that names it.

    A section that names a few of its fields keeps the others of the default in its place, which may differ from those
    of its class: the cold start's LoRA has another rank than RL's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _keep_what_is_not_named(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        defaults = {name: cls.model_fields[name].default for name in given if name in cls.model_fields}
        return {name: _completed(defaults.get(name), value) for name, value in given.items()}


def _completed(default: object, value: object) -> object:
    """The fields of `default`, with those that `value` names in their places."""
    if not isinstance(default, Config) or not isinstance(value, dict):
        return value
    kept = {name: getattr(default, name) for name in type(default).model_fields}
    return kept | {name: _completed(kept.get(name), one) for name, one in value.items()}
