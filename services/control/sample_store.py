"""Sampled groups on disk, from their sampling until a checkpoint holds the step that trained them.

`SampleStore` keeps each group's TrainingSample as `experience/<group id>.safetensors` in the run directory, whole or
not at all, so that a driver that starts again, or new learner ranks, find every group that is finished and not yet safe
in a checkpoint. What a sample weighs: K (1 + T (1 + [KL > 0])) latents, some 70 MB a group in the paper's setting.
"""

import asyncio
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from oars.alignment.messages import Conditioning, TrainingSample
from oars.errors import UserError
from oars.files import write_whole

_SUFFIX = ".safetensors"
_TENSORS = ("x0", "t", "v_old", "v_ref")


class SampleLost(RuntimeError):
    """The object store lost a sample before it was on disk: the node that held it is gone."""


class BadSample(UserError, RuntimeError):
    """A sample that should be on disk is not, or is damaged; the message is one line naming the file."""


class SampleStore:
    """One per run; used from the driver's event loop."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(exist_ok=True)

    async def keep(self, group_id: str, sample: Any) -> None:
        """Write the value of an ObjectRef to disk. Raises SampleLost."""
        try:
            value: TrainingSample = await sample
        except RayError as error:
            raise SampleLost(f"group {group_id}: {type(error).__name__}") from error
        await asyncio.to_thread(write_sample, self._path(group_id), value)

    async def restore(self, group_id: str) -> Any:
        """An ObjectRef that the driver owns. Raises BadSample."""
        return ray.put(await asyncio.to_thread(read_sample, self._path(group_id)))

    def forget(self, group_ids: Collection[str]) -> None:
        for group_id in group_ids:
            self._path(group_id).unlink(missing_ok=True)

    def forget_all_but(self, group_ids: Collection[str]) -> None:
        """Delete samples of an earlier driver that no group in flight needs."""
        for path in self._directory.iterdir():
            if path.name.removesuffix(_SUFFIX) not in group_ids:
                path.unlink()

    def _path(self, group_id: str) -> Path:
        return self._directory / f"{group_id}{_SUFFIX}"


def write_sample(path: Path, sample: TrainingSample) -> None:
    """Aside, synced, renamed."""
    conditioning = sample.conditioning
    tensors = {name: getattr(sample, name) for name in _TENSORS}
    tensors |= {"prompt_embeds": conditioning.prompt_embeds, "image_latents": conditioning.image_latents}
    present = {name: tensor.contiguous().clone() for name, tensor in tensors.items() if tensor is not None}
    facts = {"group_id": sample.group_id, "seed": sample.seed, "version": sample.version, "grid": conditioning.grid}
    write_whole(path, lambda aside: save_file(present, aside, metadata={"sample": json.dumps(facts)}))


def read_sample(path: Path) -> TrainingSample:
    """Bit for bit what was written. Raises BadSample."""
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["sample"])
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors raises its own error, or OSError, by version
        raise BadSample(f"{path}: the sample of a finished group cannot be read: {error}") from error
    conditioning = Conditioning(tensors.pop("prompt_embeds"), tensors.pop("image_latents"), tuple(facts.pop("grid")))
    absent: dict[str, Any] = dict.fromkeys(_TENSORS)
    return TrainingSample(conditioning=conditioning, **facts, **(absent | tensors))
