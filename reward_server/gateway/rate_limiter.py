"""Limits of a gateway: requests and bytes inside at once, and the rate of one client.

Pure: the clock is an argument. Every request that `enter` lets in leaves exactly once, by `leave`, and takes its bytes
with it; what is refused changes nothing but the client's bucket.
"""

from collections import Counter
from dataclasses import dataclass

from oars.config import GatewayConfig
from reward_server.errors import Refusal, Refused

# What a caller is told to wait while the time of a request is not known, and the bounds of what it is told later.
MIN_RETRY_S, MAX_RETRY_S = 1.0, 30.0
# Clients whose buckets are kept: names in a token file are few, addresses on loopback too.
_MAX_BUCKETS = 1024
_MEMORY = 0.2  # weight of the latest request in the mean time of a request


@dataclass(frozen=True)
class Bucket:
    """A token bucket: `level` at time `at`, filled at `rate` a second up to `size`."""

    rate: float
    size: float
    level: float
    at: float

    def take(self, now: float) -> "tuple[Bucket, float]":
        """The bucket after one request, and how long that request should have waited (0: it may go)."""
        level = min(self.size, self.level + max(0.0, now - self.at) * self.rate)
        if level < 1.0:
            return Bucket(self.rate, self.size, level, now), (1.0 - level) / self.rate
        return Bucket(self.rate, self.size, level - 1.0, now), 0.0


class RateLimiter:
    """The counts of one gateway process."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._inside: Counter[str] = Counter()
        self._bytes = 0
        self._buckets: dict[str, Bucket] = {}
        self._mean_s = MIN_RETRY_S

    @property
    def inside(self) -> int:
        """Requests that are in."""
        return self._inside.total()

    def enter(self, client: str, now: float) -> None:
        """Let one request in. Raises Refused: RATE_LIMITED, or OVERLOADED if too many are inside."""
        wait_s = self._take(client, now)
        if wait_s > 0:
            raise Refused(Refusal.RATE_LIMITED, f"more than {self._config.requests_per_s:g} requests a second", wait_s)
        if self._inside[client] >= self._config.max_in_flight_per_client:
            raise self._full(f"{self._inside[client]} requests of this client are in flight")
        if self.inside >= self._config.max_in_flight:
            raise self._full(f"{self.inside} requests are in flight")
        self._inside[client] += 1

    def leave(self, client: str, charged: int, seconds: float) -> None:
        """Let it out again: with all that was charged for it, `seconds` after it entered."""
        self._inside[client] -= 1
        if not self._inside[client]:
            del self._inside[client]
        self._bytes -= charged
        self._mean_s += _MEMORY * (seconds - self._mean_s)

    def charge(self, count: int) -> None:
        """Count bytes that a request holds. Raises Refused, without counting them, if there would be too many."""
        if self._bytes + count > self._config.max_buffered_bytes:
            raise self._full(f"{self._bytes} bytes of requests are held")
        self._bytes += count

    def _full(self, detail: str) -> Refused:
        return Refused(Refusal.OVERLOADED, detail, min(MAX_RETRY_S, max(MIN_RETRY_S, self._mean_s)))

    def _take(self, client: str, now: float) -> float:
        if client not in self._buckets and len(self._buckets) >= _MAX_BUCKETS:
            self._buckets.pop(min(self._buckets, key=lambda name: self._buckets[name].at))
        rate, size = self._config.requests_per_s, float(self._config.burst)
        bucket = self._buckets.get(client) or Bucket(rate, size, size, now)
        self._buckets[client], wait_s = bucket.take(now)
        return wait_s
