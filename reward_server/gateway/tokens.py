"""Bearer tokens: who a caller is. Every comparison takes the same time, whichever token was offered.

A token file has a line `name token [expires]` for each client; `expires` is an ISO date or time, UTC unless it names
another zone, and a token is refused from then on. Empty lines and lines that begin with # do not count.
"""

import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from oars.config import GatewayConfig
from reward_server.errors import BadSetting

_log = logging.getLogger(__name__)

TOKENS_VARIABLE = "OARS_COMPASS_TOKENS"
MIN_LENGTH = 16
"""Characters of a token: below it guessing is a question of patience."""
_SCHEME = "bearer "


@dataclass(frozen=True)
class Token:
    """A client's name, its token's SHA-256, and the Unix time from which it is refused."""

    name: str
    digest: bytes
    expires: float | None = None


@dataclass(frozen=True)
class Tokens:
    """All tokens of a gateway."""

    known: tuple[Token, ...]

    def client(self, authorization: str | None, now: float) -> str | None:
        """The name of the client whose `Bearer TOKEN` this is; None for no, an unknown or an expired token."""
        if authorization is None or not authorization.lower().startswith(_SCHEME):
            return None
        offered = _digest(authorization[len(_SCHEME) :].strip())
        # No early exit: the time must not tell which token was nearly right.
        matches = [token for token in self.known if hmac.compare_digest(token.digest, offered)]
        return next((token.name for token in matches if token.expires is None or now < token.expires), None)


def parse_tokens(text: str, source: str) -> Tokens:
    """Raises BadSetting naming `source` and the line, never the token."""
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1)]
    known = tuple(_token(words, f"{source}: line {n}") for n, words in lines if words and not words[0].startswith("#"))
    if not known:
        raise BadSetting(f"{source}: no tokens")
    return Tokens(known)


def _token(words: list[str], where: str) -> Token:
    if not 2 <= len(words) <= 3:
        raise BadSetting(f"{where}: expected `name token [expires]`, got {len(words)} words")
    name, token, *expires = words
    if len(token) < MIN_LENGTH:
        raise BadSetting(f"{where}: the token of {name!r} is shorter than {MIN_LENGTH} characters")
    return Token(name, _digest(token), _time(expires[0], where) if expires else None)


def _time(text: str, where: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadSetting(f"{where}: {text!r} is no ISO date or time") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class TokenSource:
    """The tokens as they are now: a file is read again when it changes; one that has become bad keeps the last good."""

    def __init__(self, config: GatewayConfig, environment: Mapping[str, str]) -> None:
        """Raises BadSetting for tokens that cannot be used, or a gateway that would be open to the world without
        any."""
        self._path = config.tokens
        self._stamp: tuple[int, int] | None = None
        self._tokens: Tokens | None = None
        if self._path is not None:
            self._stamp, self._tokens = _stamp(self._path), _read(self._path)
        elif text := environment.get(TOKENS_VARIABLE):
            self._tokens = parse_tokens(text, TOKENS_VARIABLE)
        if self._tokens is None and not is_loopback(config.host):
            raise BadSetting(f"host: {config.host} is open to others and needs tokens, in a file or {TOKENS_VARIABLE}")

    def now(self) -> Tokens | None:
        """None if no token is needed."""
        if self._path is not None and (stamp := _stamp(self._path)) not in (None, self._stamp):
            self._stamp = stamp
            self._tokens = _read_again(self._path) or self._tokens
        return self._tokens


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may resolve to anything


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _read(path: Path) -> Tokens:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"tokens: {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return parse_tokens(text, f"tokens: {path}")


def _read_again(path: Path) -> Tokens | None:
    try:
        return _read(path)
    except BadSetting as error:
        _log.warning("%s; the tokens that were read before stay", error)
        return None
