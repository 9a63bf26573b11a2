"""The rate limiter: its counts return to zero whatever happens, its bounds hold, and a bucket lets in what it says."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oars.config import GatewayConfig
from reward_server.errors import Refusal, Refused
from reward_server.gateway.rate_limiter import MAX_RETRY_S, MIN_RETRY_S, Bucket, RateLimiter

CONFIG = GatewayConfig(
    max_in_flight=4, max_in_flight_per_client=3, max_buffered_bytes=100, requests_per_s=1000, burst=1000
)
steps = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 80), st.booleans()), max_size=40)


def charged(rate_limiter: RateLimiter, count: int) -> bool:
    try:
        rate_limiter.charge(count)
    except Refused:
        return False
    return True


@given(steps)
def test_bounds_hold_and_everything_leaves_once(contexts: list[tuple[str, int, bool]]) -> None:
    rate_limiter = RateLimiter(CONFIG)
    inside: list[tuple[str, int]] = []
    for now, (client, count, leave) in enumerate(contexts):
        with suppress(Refused):
            rate_limiter.enter(client, now)
            fits = sum(held for _, held in inside) + count <= CONFIG.max_buffered_bytes
            inside.append((client, count if fits else 0))
            assert charged(rate_limiter, count) == fits
        assert rate_limiter.inside == len(inside) <= CONFIG.max_in_flight
        assert all(sum(name == other for other, _ in inside) <= 3 for name in "abc")
        if leave and inside:
            rate_limiter.leave(*inside.pop(0), 1.0)
    for context in inside:
        rate_limiter.leave(*context, 1.0)
    assert rate_limiter.inside == 0
    assert charged(rate_limiter, CONFIG.max_buffered_bytes) and not charged(rate_limiter, 1), "no byte is held for long"


def test_overload_says_when_to_come_back() -> None:
    rate_limiter = RateLimiter(CONFIG)
    for seconds in (1000.0, 0.0):
        for _ in range(50):
            rate_limiter.enter("a", 0)
            rate_limiter.leave("a", 0, seconds)
        for client in "aaab":
            rate_limiter.enter(client, 0)
        with pytest.raises(Refused) as refused:
            rate_limiter.enter("b", 0)
        assert refused.value.refusal is Refusal.OVERLOADED
        assert refused.value.retry_after_s == (MAX_RETRY_S if seconds else MIN_RETRY_S)
        for client in "aaab":
            rate_limiter.leave(client, 0, seconds)


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.floats(0.1, 20), st.integers(1, 10))
def test_a_bucket_never_lets_in_more_than_its_size_and_rate(gaps: list[float], rate: float, size: int) -> None:
    now, bucket, let_in = 0.0, Bucket(rate, float(size), float(size), 0.0), 0
    for gap in gaps:
        now += gap
        bucket, wait_s = bucket.take(now)
        let_in += wait_s == 0
        assert let_in <= size + rate * now + 1e-6
        # Whoever waits as long as told is let in.
        assert not wait_s or bucket.take(now + wait_s + 1e-9)[1] <= 1e-6


def test_one_client_does_not_slow_another() -> None:
    rate_limiter = RateLimiter(GatewayConfig(requests_per_s=0.5, burst=2))
    for _ in range(2):
        rate_limiter.enter("a", 0)
    with pytest.raises(Refused, match=r"more than 0\.5 requests a second") as refused:
        rate_limiter.enter("a", 0)
    assert refused.value.refusal is Refusal.RATE_LIMITED
    assert refused.value.retry_after_s == pytest.approx(2)
    rate_limiter.enter("b", 0)
