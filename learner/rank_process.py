"""The process of one DeepSpeed rank, whatever it trains: threads, accelerator, meeting the others, checkpoints.

All methods but `ping`, `address` and `damage` are collective: every rank gets the same call with the same arguments.
"""

import os
import socket
from pathlib import Path
from typing import Any, Protocol

import ray
import torch

from learner import checkpoint
from learner.checkpoint import BadCheckpoint, DamagedCheckpoint
from learner.random_state import random_state, set_random_state
from oars.config import LearnerConfig
from oars.files import begin_directory, partial_directory, publish_directory
from oars.precision import compute_repeatably


class Phase(Protocol):
    """The model that is trained."""

    def save(self, directory: Path) -> dict[str, Any]:
        """Write the state under `directory`; what it returns goes into the manifest."""

    def load(self, directory: Path, state: dict[str, Any]) -> None: ...


class RankProcess:
    """Base of the Ray actors. DeepSpeed is imported inside methods: it reads DS_ACCELERATOR when it is imported."""

    def __init__(self, learner: LearnerConfig, rank: int, world: int) -> None:
        if learner.resources.num_gpus == 0:
            os.environ["DS_ACCELERATOR"] = "cpu"
        elif os.environ.get("DS_ACCELERATOR") == "cpu":
            # Inherited from a driver that keeps DeepSpeed off its own devices; a rank that reserved one uses it.
            del os.environ["DS_ACCELERATOR"]
        compute_repeatably(learner.resources.threads)
        self._learner, self._rank, self._world = learner, rank, world

    @ray.method(concurrency_group="health")
    def ping(self) -> int:
        """The process id; answers during a step."""
        return os.getpid()

    def address(self) -> str:
        """host:port on this node where the ranks can meet."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            return f"{ray.util.get_node_ip_address()}:{probe.getsockname()[1]}"

    def connect(self, address: str) -> None:
        from learner.engine import join

        join(self._rank, self._world, address)

    def save(self, path: Path, meta: dict[str, Any]) -> None:
        """A checkpoint directory, whole or not at all; `meta` (JSON) is handed back by `load`."""
        from learner.engine import barrier, gathered

        if self._rank == 0:
            begin_directory(path)
        barrier()
        aside = partial_directory(path)
        state = self._phase.save(aside)
        torch.save(random_state(), aside / f"rng_{self._rank}.pt")
        barrier()
        files = gathered(checkpoint.digests(aside, self._rank, self._world))
        if self._rank == 0:
            checkpoint.write_manifest(aside, {**self._shape, "state": state, "meta": meta}, files)
            publish_directory(path)
        barrier()

    def damage(self, path: Path) -> str:
        """What is wrong with a checkpoint, in one line; empty if it is whole. One rank reads all files for the others.

        Raises BadCheckpoint.
        """
        try:
            checkpoint.verify(path)
        except DamagedCheckpoint as error:
            return str(error)
        return ""

    def load(self, path: Path) -> dict[str, Any]:
        """Enter the phase and state of a checkpoint that is whole; returns its `meta`. Raises BadCheckpoint."""
        manifest = checkpoint.read_manifest(path)
        self._enter(manifest["phase"])
        if differing := [name for name, value in self._shape.items() if manifest[name] != value]:
            name = differing[0]
            raise BadCheckpoint(f"{path}: saved with {name} {manifest[name]}, this learner has {self._shape[name]}")
        self._phase.load(path, manifest["state"])
        set_random_state(torch.load(path / f"rng_{self._rank}.pt"))
        meta: dict[str, Any] = manifest["meta"]
        return meta

    @property
    def _shape(self) -> dict[str, Any]:
        """Settings that must be the same to load a checkpoint: optimiser state is split by rank."""
        return {"phase": self._phase_name, "ranks": self._world, "zero_stage": self._zero_stage}

    @property
    def _zero_stage(self) -> int:
        """Of the phase."""
        return self._learner.zero_stage

    def _enter(self, phase: str) -> None:
        """Be in the phase of that name, untrained."""
        raise NotImplementedError

    @property
    def _phase(self) -> Phase:
        raise NotImplementedError

    @property
    def _phase_name(self) -> str:
        raise NotImplementedError
