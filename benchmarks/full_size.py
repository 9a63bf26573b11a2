"""Memory and seconds of each role with the full-size models on one GPU, with random weights.

python -m benchmarks.full_size
python -m benchmarks.full_size --set optimiser.micro_batch=1

Weights are random, as the trained ones are not to be had offline; memory and time do not depend on them. The classes
are those of a run: the rollout worker samples a group, the learner takes one step on part of it, the judge reads it;
one after the other, so that a device of 80 GB is enough. Settings are those of deploy/profiles/one-gpu.yaml.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.full_size_models import SIZES, Sizes, build_judge, build_pipeline, build_transformer
from benchmarks.result import Result, write_result
from learner.reinforcement import Reinforcement
from oars.alignment.messages import RolloutRequest, TrainingSample
from oars.config import RunConfig, load_profile
from oars.deployment import deploy_path
from oars.generator.policy import Role
from rollout_workers.worker import RolloutWorker

_GB = 1e9
Measured = dict[str, Any]


def rollout(config: RunConfig, sizes: Sizes, group: RolloutRequest) -> tuple[Measured, np.ndarray, TrainingSample]:
    """A worker installs version 0 and samples the group, after one that warms up."""
    with patch("rollout_workers.worker.load_pipeline", lambda *_: build_pipeline(sizes)):
        worker = RolloutWorker(config, "rollout-0")
    snapshot = worker._policy.snapshot("old", 0)
    held, seconds = timed(lambda: worker.install(snapshot))
    worker.sample(replace(group, candidates=config.sampler.batch))
    (receipt, images, sample), _ = timed(lambda: worker.sample(group))
    return {**memory(), "install_s": seconds, "bound_tensors": held.bound_tensors, **receipt.seconds}, images, sample


def learning(config: RunConfig, sizes: Sizes, sample: TrainingSample, candidates: int) -> Measured:
    """One DeepSpeed rank takes a step on the first candidates of the group, after one that warms up."""
    from learner.engine import join

    join(0, 1, "127.0.0.1:29511")
    with patch("learner.reinforcement.load_transformer", lambda *_: build_transformer(sizes)):
        learner = Reinforcement(config, 0, 1)
    learner.publish(0)
    scores = [k / candidates for k in range(candidates)]
    optimality = tuple(scores + [None] * (len(sample.x0) - candidates))
    learner.step([sample], [(0.5,) + (None,) * (len(sample.x0) - 1)])
    report, seconds = timed(lambda: learner.step([sample], [optimality]))
    points = candidates * learner._points
    role: Role = "current"
    parameters = sum(p.numel() for p in learner._policy.named_parameters(role).values())
    return {
        **memory(),
        "points": points,
        "s_per_point": seconds / points,
        "adapter_parameters": parameters,
        "loss": report.loss["total"],
        "grad_norm": report.grad_norm,
    }


def judging(sizes: Sizes, lr: np.ndarray, images: np.ndarray) -> Measured:
    """The judge reads all transitions of the group in transformers (vLLM is another story), after one to warm up."""
    judge = build_judge(sizes)
    judge.score(lr, images[:1])
    _, seconds = timed(lambda: judge.score(lr, images, chunk=4))
    return {**memory(), "s_per_transition": seconds / len(images)}


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    torch.cuda.synchronize()
    start = time.monotonic()
    result = work()
    torch.cuda.synchronize()
    return result, time.monotonic() - start


def memory() -> Measured:
    """The greatest that the role held, and what the device holds now."""
    return {"peak_gb": torch.cuda.max_memory_allocated() / _GB, "held_gb": torch.cuda.memory_allocated() / _GB}


def forget() -> None:
    import gc

    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=512, help="of the output, pixels")
    parser.add_argument("--candidates", type=int, default=4, help="of the group that the learner trains on")
    parser.add_argument("--sizes", choices=SIZES, default="full")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="of the profile")
    args = parser.parse_args()
    config, sizes = load_profile(deploy_path("profiles/one-gpu.yaml"), args.set), SIZES[args.sizes]
    lr = np.random.default_rng(0).integers(0, 256, (args.side // 4, args.side // 4, 3), dtype=np.uint8)
    group = RolloutRequest("full-size", 0, lr, 1, config.rollout.candidates, 0)
    details: Measured = {"device": torch.cuda.get_device_name(), "output": [args.side] * 2, "set": args.set}
    details["rollout"], images, sample = rollout(config, sizes, group)
    forget()
    details["learner"] = learning(config, sizes, sample, args.candidates)
    forget()
    details["judge"] = judging(sizes, lr, images)
    peak = max(details[role]["peak_gb"] for role in ("rollout", "learner", "judge"))
    print(write_result(Result(name="full_size", value=peak, unit="GB", details=details)).read_text())


if __name__ == "__main__":
    main()
