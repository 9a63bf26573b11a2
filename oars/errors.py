"""What all errors that are the user's to mend have in common; imports nothing, so that a command line starts fast."""


class UserError(Exception):
    """A bad input, a missing file, a service that is not there: the message is one line that names it.

    The command line prints that line and exits with code 2, without a traceback. A subclass also has the built-in
    type that fits it (`ValueError`, `FileNotFoundError` ...).
    """
