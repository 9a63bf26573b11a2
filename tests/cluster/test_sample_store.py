"""Training samples go from the worker's node to disk and back to the learner, never through the driver."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import ray
import torch

from oars.alignment.messages import AttemptFailed, Conditioning, TrainingSample
from services.control.sample_store import BadSample, RaySampleStore


@ray.remote
class Worker:
    """Returns what a rollout worker returns: values that its node holds and the driver refers to."""

    @ray.method(num_returns=2)
    def sample(self, group_id: str) -> tuple[np.ndarray, TrainingSample]:
        conditioning = Conditioning(torch.ones(5, 8), torch.ones(4, 3), (2, 2))
        x0 = torch.arange(24.0).reshape(2, 4, 3)
        images = np.full((2, 600, 600, 3), 9, np.uint8)
        return images, TrainingSample(group_id, 1, 7, conditioning, x0, torch.rand(2, 3), None, None)


def test_a_sample_is_written_and_read_by_tasks(tmp_path: Path, ray_cluster: None) -> None:
    store, worker = RaySampleStore(tmp_path / "experience"), Worker.remote()  # type: ignore[attr-defined]
    images, sample = worker.sample.remote("g1")

    async def there_and_back() -> TrainingSample:
        assert await store.keep("g1", sample) is None
        value: TrainingSample = await (await store.restore("g1"))
        return value

    read, sent = asyncio.run(there_and_back()), ray.get(sample)
    assert read.group_id == "g1" and torch.equal(read.x0, sent.x0) and torch.equal(read.t, sent.t)
    preview = asyncio.run(store.preview(np.zeros((8, 8, 3), np.uint8), images))
    assert preview is not None and preview.shape == (256, 3 * 256, 3) and preview[:, 256:].min() == 9


def test_a_lost_or_torn_sample_is_said(tmp_path: Path, ray_cluster: None) -> None:
    store = RaySampleStore(tmp_path / "experience")
    (tmp_path / "experience" / "g1.safetensors").write_bytes(b"torn")
    with pytest.raises(BadSample, match=r"g1\.safetensors"):
        asyncio.run(store.restore("g1"))

    @ray.remote
    def fails() -> TrainingSample:
        raise RuntimeError("the worker broke")

    assert isinstance(asyncio.run(store.keep("g2", fails.remote())), AttemptFailed)
