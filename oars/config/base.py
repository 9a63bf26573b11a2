"""The one base of every config model: frozen, unknown keys are errors. Importable without torch."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A frozen node of the config tree. An unknown key, anywhere, is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
