"""Decides whether a failed attempt of a group is repeated, and after which wait. Pure: the random draw is an
argument."""

from oars.alignment.drops import DropReason
from oars.retry import GiveUp, Retry, backoff


def after_failure(attempt: int, attempts: int, timed_out: bool, draw: float) -> Retry | GiveUp[DropReason]:
    """Decide after attempt number `attempt` (from 0) of `attempts` has failed; the reason is that of the drop."""
    if attempt + 1 >= attempts:
        return GiveUp(DropReason.DEADLINE if timed_out else DropReason.FAILED)
    # A restarted actor answers after about 2 s; 1 s doubling to 10 s bridges that without hiding an outage.
    return Retry(backoff(attempt + 1, base_s=1.0, cap_s=10.0, draw=draw))
