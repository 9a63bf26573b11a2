"""Python objects that a config names by dotted path, and the digest of their source."""

import hashlib
import importlib
import inspect
from typing import Any


class BadPath(ValueError):
    """A dotted path that names nothing usable; the message is one line."""


def load(path: str) -> Any:
    """The object at `package.module.name`. Raises BadPath."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, SyntaxError, AttributeError, ValueError) as error:
        detail = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadPath(f"{path!r} cannot be imported (is its folder on PYTHONPATH?): {detail}") from error


def source_digest(defined: Any) -> str:
    """SHA-256 of the module that defines a function or class: it changes with the function and with its helpers.

    Raises BadPath where there is no source, as for what is written in C.
    """
    try:
        source = inspect.getsource(inspect.getmodule(defined) or defined)
    except (OSError, TypeError) as error:
        raise BadPath(f"{defined!r} has no Python source, whose digest is recorded") from error
    return hashlib.sha256(source.encode()).hexdigest()
