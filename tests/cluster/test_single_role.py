"""One real role alone: rollout workers under a stand-in learner, and learner ranks on batches that a run has saved."""

import asyncio
from pathlib import Path

import pytest
import ray
from tiny import K, fresh_snapshot, rollout_request, tiny_config

from oars.compass.outcome import Scored
from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from rollout_workers.worker import RolloutWorker
from services.bench.single_role import replay_learner, sample_alone
from services.control.sample_store import write_sample
from services.run.ledger import Ledger

GROUPS = 2


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    generator = build_tiny(tmp_path_factory.mktemp("tiny") / "generator")
    return tiny_config(generator, stages={"nr_rl": {"groups": GROUPS}})


def test_rollout_workers_alone(config: RunConfig, ray_cluster: None) -> None:
    pace = asyncio.run(sample_alone(config, groups=5))
    assert pace.groups == 5 and pace.groups_per_second > 0
    assert set(pace.phases) == {"encode", "denoise", "decode"}


def test_the_learner_alone_on_saved_batches(config: RunConfig, ray_cluster: None, tmp_path: Path) -> None:
    worker = ray.remote(concurrency_groups={"health": 1})(RolloutWorker).options(num_cpus=0).remote(config, "rollout-x")
    ray.get(worker.install.remote(fresh_snapshot(config)))
    ledger = Ledger.drive(tmp_path / "ledger.sqlite")
    (tmp_path / "experience").mkdir()
    for ordinal in range(3):
        sample = ray.get(worker.sample.remote(rollout_request(ordinal))[2])
        group = sample.group_id
        write_sample(tmp_path / "experience" / f"{group}.safetensors", sample)
        ledger.admit(group, ordinal, "nr_rl", ordinal, group, sample.seed, 0)
        ledger.attempt(group, 0)
        ledger.sampled(group, 0, "rollout-x", 0, "digest", 8, 0.0, {})
        rewards = (1.0 + ordinal, 2.0, 3.0)
        assert len(rewards) == K
        scores = [Scored(readings={"fidelity": 0.5}, reward=r) for r in rewards]
        ledger.scored(group, 0, scores, {"replica": "judge"})
    ledger.close()
    ray.kill(worker)
    pace = asyncio.run(replay_learner(config, tmp_path, steps=2))
    assert pace.groups == 2 * GROUPS and pace.phases["step"] > 0
