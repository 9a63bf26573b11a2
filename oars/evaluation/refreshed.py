"""`refresh.json`: how a judge stood on its policy's pictures before and after it learned them."""

from pydantic import BaseModel, ConfigDict


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Standing(_Record):
    """What one judge makes of the policy's pictures and of the probes; shares in [0, 1]."""

    exaggerated_below: float
    """Groups in which the exaggerated candidate has a lower reward than the candidate itself."""
    pairs_in_order: float | None
    """Pairs of one LR's candidates that the reward orders as the labels of quality do; None if these tell no pair
    apart."""
    probes: dict[str, float]
    """By probe: crops whose reward falls from strength 0.25 to 0.5."""


class Refreshed(_Record):
    """A refresh that is done."""

    run: str
    data_digest: str
    steps: int
    """Optimiser steps of the training."""
    judge_before: str
    """Digest of the judge that the training began with."""
    judge_after: str
    before: Standing
    after: Standing
    exaggerated_below_told: float | None = None
    """`exaggerated_below` by the labels themselves, which no judge that learns them exceeds but by chance; None in an
    earlier version's file."""

    @property
    def shares(self) -> list[tuple[str, float | None, float | None]]:
        """For people: the name of each share, before, after."""
        before, after, told = self.before, self.after, self.exaggerated_below_told
        return [
            ("exaggerated below the policy's own", before.exaggerated_below, after.exaggerated_below),
            *([("the same by the labels", told, told)] if told is not None else []),
            ("pairs in the order of the labels", before.pairs_in_order, after.pairs_in_order),
            *((name, before.probes[name], share) for name, share in after.probes.items()),
        ]


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
