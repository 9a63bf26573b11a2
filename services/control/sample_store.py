"""Sampled groups on disk, from their sampling until `control.keep_checkpoints` checkpoints hold the step that trained
them.

`RaySampleStore` keeps each group's TrainingSample as `experience/<group id>.safetensors` in the run directory, whole or
not at all, so that a driver that starts again, or new learner ranks, find every group that is finished and not yet safe
in the oldest checkpoint. A sample weighs K latents, some 6 MB in the paper's setting; K (1 + T (1 + [KL > 0])), some
70 MB, where the rollout worker evaluates the old policy; and K T more for Flow-GRPO, which keeps the rollout's steps.
So it never passes through the driver: Ray tasks on the node that holds it write and read it, and the driver sees refs,
paths and errors. The run directory must be on storage that all nodes see.
"""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.exceptions import RayError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from oars.alignment.messages import AttemptFailed, Conditioning, TrainingSample
from oars.compass.data.run_pictures import PICTURES, keep_pictures
from oars.files import remove_partial, write_whole
from oars.imaging.crops import Pair
from oars.imaging.preview import side_by_side
from services.control.protocols import BadSample
from services.run.storage import storage_fault

_SUFFIX = ".safetensors"
_TENSORS = ("x0", "t", "v_old", "v_ref", "x_t", "t_next")
# Disk and memory, hardly any computing: a task must not wait for a core that sampling has taken.
_TASK = {"num_cpus": 0, "max_retries": 3}


class RaySampleStore:
    """Satisfies `services.control.protocols.SampleStore`; one per run."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._directory.mkdir(exist_ok=True)
        remove_partial(self._directory)
        # Ray sends a task to the node that holds its largest argument.
        self._write = ray.remote(**_TASK, name="oars.keep_sample")(write_sample)
        self._read = ray.remote(**_TASK, name="oars.restore_sample", num_returns=2)(_read_or_say)
        self._keep_pictures = ray.remote(**_TASK, name="oars.keep_pictures")(keep_pictures)
        self._preview = ray.remote(**_TASK, name="oars.preview")(side_by_side)

    async def keep(self, group_id: str, sample: Any) -> AttemptFailed | None:
        try:
            await self._write.remote(self._path(group_id), sample)
        except RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, OSError) or (cause and storage_fault(cause, self._directory)):
                raise cause from error  # the disk is full, or not there: no other attempt does better
            return AttemptFailed(f"sample lost: {type(error).__name__}", timed_out=False)
        return None

    async def restore(self, group_id: str) -> Any:
        """An ObjectRef of the TrainingSample. Raises BadSample."""
        problem, sample = self._read.remote(self._path(group_id))
        if line := await problem:
            raise BadSample(line)
        return sample

    async def preview(self, lr: NDArray[np.uint8], images: Any) -> NDArray[np.uint8] | None:
        try:
            shown: NDArray[np.uint8] = await self._preview.remote(lr, images)
        except RayError:
            return None
        return shown

    async def keep_pictures(self, group_id: str, pair: Pair, images: Any, count: int) -> None:
        try:
            await self._keep_pictures.remote(self._directory.parent / PICTURES / f"{group_id}.npz", pair, images, count)
        except RayError as error:
            cause = getattr(error, "cause", None)
            if cause and storage_fault(cause, self._directory):
                raise cause from error

    def holds(self, group_id: str) -> bool:
        return self._path(group_id).exists()

    def forget(self, group_ids: Collection[str]) -> None:
        for group_id in group_ids:
            self._path(group_id).unlink(missing_ok=True)

    def forget_all_but(self, group_ids: Collection[str]) -> None:
        needed = {self._path(group_id).name for group_id in group_ids}
        for path in self._directory.glob(f"[!.]*{_SUFFIX}"):
            if path.name not in needed:
                path.unlink()

    def _path(self, group_id: str) -> Path:
        return self._directory / f"{group_id}{_SUFFIX}"


def _read_or_say(path: Path) -> tuple[str, TrainingSample | None]:
    """("", the sample), or (what is wrong with the file, None)."""
    try:
        return "", read_sample(path)
    except BadSample as error:
        return str(error), None


def write_sample(path: Path, sample: TrainingSample) -> None:
    """Aside, synced, renamed."""
    conditioning = sample.conditioning
    tensors = {name: getattr(sample, name) for name in _TENSORS}
    tensors |= {"prompt_embeds": conditioning.prompt_embeds, "image_latents": conditioning.image_latents}
    present = {name: tensor.contiguous().clone() for name, tensor in tensors.items() if tensor is not None}
    facts = {"group_id": sample.group_id, "seed": sample.seed, "version": sample.version, "grid": conditioning.grid}
    metadata = {"sample": (words := json.dumps(facts)), "digest": _digest(words, present)}
    write_whole(path, lambda aside: save_file(present, aside, metadata=metadata))


def read_sample(path: Path) -> TrainingSample:
    """Bit for bit what was written. Raises BadSample."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            facts = json.loads(metadata["sample"])
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if _digest(metadata["sample"], tensors) != metadata["digest"]:
            raise ValueError("it differs from what was written")
    except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
        raise BadSample(f"{path}: the sample of a finished group cannot be read: {error}") from error
    conditioning = Conditioning(tensors.pop("prompt_embeds"), tensors.pop("image_latents"), tuple(facts.pop("grid")))
    absent: dict[str, Any] = dict.fromkeys(_TENSORS)
    return TrainingSample(conditioning=conditioning, **facts, **(absent | tensors))


def _digest(facts: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 over everything in the file: a disk may return a wrong bit."""
    digest = hashlib.sha256(facts.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
