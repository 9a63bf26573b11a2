"""Reasons to drop a group: one enum, stored in the ledger and used as the metric's label."""

from enum import StrEnum


class DropReason(StrEnum):
    """Every admitted group is trained or dropped for exactly one of these."""

    STALE = "stale"
    """Sampled more than `max_staleness` versions before the batch left."""
    DEGENERATE = "degenerate"
    """All rewards high and alike: the group carries no signal (the group filter)."""
    TOO_FEW_SCORES = "too_few_scores"
    """Fewer than `min_scored` candidates have a score."""
    DEADLINE = "deadline"
    """Not sampled within its deadline in any of its attempts."""
    FAILED = "failed"
    """Sampling failed in every attempt."""
    NON_FINITE = "non_finite"
    """Its batch gave a gradient that is not finite, each time that it was tried."""
    LOST = "lost"
    """Its sample on disk is missing or damaged, so that it cannot be trained any more."""
    ENDED = "ended"
    """An alarm ended RL before the group was trained."""
