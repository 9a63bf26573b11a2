"""The one base of every config model: frozen, unknown keys are errors. Importable without torch."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from oars.errors import UserError

Precision = Literal["native", "float32", "bfloat16"]
"""Precision of arithmetic. `native`: bfloat16 where the processor computes in it, float32 elsewhere
(oars/precision.py)."""

Decay = Annotated[float, Field(ge=0, lt=1)]
"""Decay of a running average."""


class BadConfig(UserError, ValueError):
    """A profile that cannot be used; the message is one line naming the file and the field."""


class Config(BaseModel):
    """A frozen node of the config tree. An unknown key, anywhere, is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
