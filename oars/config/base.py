"""The one base of every config model: frozen, unknown keys are errors. Importable without torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Precision = Literal["native", "float32", "bfloat16"]
"""Precision of arithmetic. `native`: bfloat16 where the processor computes in it, float32 elsewhere
(oars/precision.py)."""


class Config(BaseModel):
    """A frozen node of the config tree. An unknown key, anywhere, is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
