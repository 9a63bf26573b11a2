"""Base class of the errors that a user can fix: one line, exit code 2. Imports nothing, so that a command starts
fast."""


class UserError(Exception):
    """A bad input, a missing file, a service that is not there: the message is one line that names it.

    The command line prints that line and exits with code 2, without a traceback. A subclass also has the built-in
    type that fits it (`ValueError`, `FileNotFoundError` ...).
    """
