"""Flags of a transformer's config that the installed diffusers does not know: it would ignore them with a warning."""

import inspect
import json
from pathlib import Path

from diffusers import ModelMixin

from oars.errors import UserError


class UnknownFlag(UserError, ValueError):
    """A config that asks for what the model class cannot do; the message names the file and the flag."""


def check_flags(directory: Path, model: type[ModelMixin]) -> None:
    """Raises UnknownFlag for a key of `config.json` that the transformer's class does not take."""
    path = directory / "config.json"
    known = inspect.signature(model.__init__).parameters
    unknown = [key for key in json.loads(path.read_text()) if not key.startswith("_") and key not in known]
    if unknown:
        raise UnknownFlag(f"{path}: {unknown[0]} is unknown to the installed diffusers; the model would not be itself")
