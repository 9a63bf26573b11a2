"""Measures the pictures of a look in a Ray task, which is repeated if its worker dies."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.exceptions import ObjectLostError, WorkerCrashedError

from oars.alignment.messages import AttemptFailed
from oars.evaluation.watch import Measures, measured
from oars.imaging.crops import Pair


class RayMeasure:
    """Satisfies `services.control.watch.Measure`."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._task = ray.remote(_measured).options(num_cpus=1, max_retries=3, name="oars.measured_look")

    async def __call__(self, images: Sequence[Any], pairs: Sequence[Pair]) -> Measures | AttemptFailed:
        try:
            async with asyncio.timeout(self._deadline_s):
                measures: Measures = await self._task.remote(list(pairs), *images)
        except TimeoutError:
            return AttemptFailed(f"not measured within {self._deadline_s:.0f} s", timed_out=True)
        except (WorkerCrashedError, ObjectLostError) as error:
            return AttemptFailed(f"not measured: {type(error).__name__}", timed_out=False)
        return measures


def _measured(pairs: list[Pair], *images: NDArray[np.uint8]) -> Measures:
    torch.set_num_threads(1)
    return measured(images, pairs)
