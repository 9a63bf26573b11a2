"""Shows an error that the user can fix: one line and exit code 2, never a traceback."""

from oars.errors import UserError
from oars.names import printable

BAD_INPUT = 2


def one_line(error: BaseException) -> str | None:
    """The error as one line if it, or the first error inside a group, can be fixed by the user; None otherwise."""
    error = innermost(error)
    return printable(" ".join(str(error).split())) if isinstance(error, UserError) else None


def innermost(error: BaseException) -> BaseException:
    """The first error inside nested exception groups: the one that ended the others."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
