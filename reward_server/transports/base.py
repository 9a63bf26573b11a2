"""The transport protocol: one attempt at scoring, no retries."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from oars.imaging.image_io import Pixels
from reward_server.schema import Description, ScoreHeader, ScoreResponse

if TYPE_CHECKING:
    import ray

Picture: TypeAlias = "Pixels | ray.ObjectRef"
Pictures: TypeAlias = "Pixels | Sequence[Pixels] | ray.ObjectRef"


class Transport(Protocol):
    """One attempt at a time, without retries: those are the client's. Cancelling the caller cancels the work."""

    async def score(self, header: ScoreHeader, lr: Any, candidates: Any, deadline_s: float) -> ScoreResponse:
        """LR uint8 [h, w, 3], candidates uint8 [K, H, W, 3] or a list of [H, W, 3]; by handle also references.

        `deadline_s` is told to the service, which then gives up. Raises TimeoutError, Unavailable, BadRequest.
        """

    async def describe(self) -> Description:
        """Raises TimeoutError, Unavailable, BadRequest."""

    async def close(self) -> None: ...


class NeedsPixels(TypeError):
    """A reference went to an endpoint outside the cluster."""


def pixels(lr: Any, candidates: Any) -> list[Pixels]:
    """LR, then the candidates. Raises NeedsPixels for object references, which only the handle takes."""
    import numpy as np

    if not isinstance(lr, np.ndarray) or not isinstance(candidates, np.ndarray | Sequence):
        raise NeedsPixels("candidates: this endpoint takes arrays, not object references")
    return [lr, *candidates]
