"""A pydantic model out of a JSON file. What is wrong with the file is one line that names it and the field."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from oars.errors import UserError
from oars.names import printable

Model = TypeVar("Model", bound=BaseModel)


def read_json(path: Path, model: type[Model], kind: type[UserError]) -> Model:
    """Raises `kind`."""
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise kind(f"{printable(path)}: {error.strerror}") from error
    except ValidationError as error:
        raise kind(f"{printable(path)}: {first_fault(error)}") from error


def first_fault(error: ValidationError) -> str:
    """`field.of.it: what is wrong`, or what is wrong with all of it."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return ": ".join(filter(None, (field, first["msg"].removeprefix("Value error, "))))
