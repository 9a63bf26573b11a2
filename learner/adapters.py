"""The adapters of an RL checkpoint: one file, each role's tensors under its name.

Their digests are in the checkpoint's manifest, so that what is read is known to be what was written.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from learner import checkpoint
from oars.alignment.messages import PolicySnapshot
from oars.generator.policy import Role

_FILE = "adapters.safetensors"


def save_adapters(directory: Path, snapshots: Mapping[Role, PolicySnapshot]) -> None:
    save_file(
        {f"{role}/{name}": tensor for role, snapshot in snapshots.items() for name, tensor in snapshot.tensors.items()},
        directory / _FILE,
    )


def read_adapter(directory: Path, state: dict[str, Any], role: Role) -> PolicySnapshot:
    """A role's adapter as `state`, the RL part of the manifest, knows it."""
    tensors, prefix = load_file(directory / _FILE), f"{role}/"
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return PolicySnapshot(state["version"], state["digests"][role], own)


def evaluated_adapter(directory: Path) -> PolicySnapshot:
    """`ema` of an RL checkpoint, the adapter that a run evaluates and merges. Raises BadCheckpoint."""
    return read_adapter(directory, checkpoint.verify(directory)["state"], "ema")
