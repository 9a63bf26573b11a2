"""What can go wrong with COMPASS as a whole. What goes wrong with one candidate is a `Failed` in its slot."""


class BadJudge(ValueError):
    """A judge that cannot be used; the message is one line naming the directory and what is wrong."""


class BadRequest(ValueError):
    """A request that no retry mends; the message names the field."""


class EngineDied(RuntimeError):
    """The engine process is gone; the replica has to be replaced and the request repeated elsewhere."""
