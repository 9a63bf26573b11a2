"""What a real learner leaves behind: one DeepSpeed rank, without a cluster, trains on a group that a real rollout
worker sampled, and writes a checkpoint."""

import socket
from pathlib import Path

from tiny import rollout_request

from learner.rank import LearnerRank
from oars.alignment.messages import PolicySnapshot, TrainingGroup
from oars.config import RunConfig
from rollout_workers.worker import RolloutWorker


def train_one_step(config: RunConfig, checkpoint: Path) -> None:
    """Sample with version 0, train, publish version 1, sample with it, save.

    Call it in a process of its own, which is a rank from then on; in one process as often as you like.
    """
    rank, worker = LearnerRank(config, None, 0, 1), RolloutWorker(config, "rollout-0")
    rank.connect(f"127.0.0.1:{_free_port()}")
    rank.begin_rl()
    worker.install(_published(rank, 0))
    _, before, sample = worker.sample(rollout_request())
    rank.train([TrainingGroup(sample.group_id, sample, (0.1, None, 0.9))], 0)
    published = _published(rank, 1)
    worker.install(published)
    receipt, after, _ = worker.sample(rollout_request(version=1))
    assert receipt.digest == published.digest and (before != after).any()
    rank.save(checkpoint, {})


def _published(rank: LearnerRank, version: int) -> PolicySnapshot:
    snapshot = rank.publish(version)
    assert snapshot is not None
    return snapshot


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
