"""Base class of the errors that a user can fix: one line, exit code 2. Imports nothing heavy, so that a command starts
fast."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A bad input, a missing file, a service that is not there: the message is one line that names it.

    The command line prints that line and exits with code 2, without a traceback. A subclass also has the built-in
    type that fits it (`ValueError`, `FileNotFoundError` ...).
    """


@contextmanager
def naming(what: str, kind: type[UserError]) -> Iterator[None]:
    """Put `what`, such as a config's field, in front of the message of an error of this kind that is raised inside."""
    try:
        yield
    except kind as error:
        raise type(error)(f"{what}: {error}") from error
