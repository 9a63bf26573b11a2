"""Errors of COMPASS as a whole. A failure of one candidate is a `Failed` in its slot."""

from enum import StrEnum

from oars.errors import UserError


class BadJudge(UserError, ValueError):
    """A judge that cannot be used; the message is one line naming the directory and what is wrong."""


class BadSetting(UserError, ValueError):
    """A gateway's or a client's setting that cannot be used; the message is one line naming it."""


class NoCompass(UserError, RuntimeError):
    """No COMPASS answers where one was expected; the message is one line."""


class WrongJudge(NoCompass):
    """A COMPASS answers, with another judge than the one that was asked for; the message is one line naming both."""


class BadRequest(ValueError):
    """A request that no retry can fix; the message names the field."""


class Unauthenticated(BadRequest):
    """The endpoint knows no such token, or it has expired."""


class EngineDied(RuntimeError):
    """The engine process is gone; the replica has to be replaced and the request repeated elsewhere."""


class Unavailable(RuntimeError):
    """The service does not answer now; a later attempt may succeed, after `retry_after_s` if the service said so."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Overloaded(Unavailable):
    """The service is there and has too much to do."""


class Refusal(StrEnum):
    """Reason why a gateway refused a request."""

    UNAUTHENTICATED = "unauthenticated"
    BAD_REQUEST = "bad_request"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    DEADLINE = "deadline"
    UNAVAILABLE = "unavailable"


class Refused(Exception):
    """A gateway's refusal, on its way to the gateway's own status code."""

    def __init__(self, refusal: Refusal, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.refusal, self.detail, self.retry_after_s = refusal, detail, retry_after_s
