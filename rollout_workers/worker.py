"""One rollout worker: it draws a group's K candidates with the adapter that it holds, and gives v_old along where the
config asks for the sampler's (`objective.old_policy.at`).

A worker holds the weights that RL is on and one adapter, `old`. Invariants: it samples only with a version that it
installed whole and whose digest it recomputed from the model; what it returns follows from the request, the version and
the config, so the same request gives the same bytes, today or after a crash. Results are returned, never `ray.put`: a
value that a dead worker had put would be lost with it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from torch import Tensor

from oars.alignment.messages import Conditioning, PolicySnapshot, RolloutReceipt, RolloutRequest, TrainingSample
from oars.alignment.old_policy import old_is_current
from oars.alignment.training_points import training_point, training_times
from oars.config import ObjectiveConfig, RunConfig
from oars.config.alarms import LEAST_WATCHED_LR
from oars.device import cap_device_memory
from oars.generator.codec import Codec
from oars.generator.conditioning import Conditioner
from oars.generator.policy import Policy, Role, load_pipeline
from oars.generator.sampler import denoise_with_noise, flow_times
from oars.metrics.place import place
from oars.precision import compute_repeatably
from oars.seeds import seeded_noise
from rollout_workers.drawn import Drawn, Recorder, step_noises
from rollout_workers.metrics import WorkerMetrics


class WrongVersion(RuntimeError):
    """A request for a policy version that the worker does not hold."""


@dataclass(frozen=True)
class Installed:
    """The adapter as it sits in the worker's transformer."""

    version: int
    digest: str
    bound_tensors: int
    fingerprint: str
    """Digest of a sample of fixed noise (rollout_workers/fingerprint.py)."""


class RolloutWorker:
    """Runs as a Ray actor; every method but `ping` runs alone and in order."""

    def __init__(self, config: RunConfig, name: str, weights: Path | None = None) -> None:
        """`weights`: a transformer directory in place of the base's (`stages.rl_on`)."""
        compute_repeatably(config.rollout.resources.threads)
        cap_device_memory(config.rollout.gpu_memory_utilization)
        self._config, self._name = config, name
        self._device = torch.device("cuda" if config.rollout.resources.num_gpus > 0 else "cpu")
        pipeline = load_pipeline(config.generator, weights)
        self._scheduler = pipeline.scheduler
        self._policy = Policy(pipeline.transformer.to(self._device), config.generator, ("old",), config.seed)
        pipeline.text_encoder.to(self._device)
        self._codec = Codec(pipeline.vae.to(self._device))
        self._conditioner = Conditioner(pipeline, config.generator, self._codec)
        self._held: Installed | None = None
        self._metrics = WorkerMetrics(name)

    @ray.method(concurrency_group="health")
    def ping(self) -> Installed | None:
        """The version that the worker holds; answers while a group is being sampled. None before the first
        installation."""
        return self._held

    def drain(self) -> None:
        """Answers when everything that was requested before is done."""

    def install(self, snapshot: PolicySnapshot) -> Installed:
        """Bind a published adapter and answer with what is bound. Raises AdapterMismatch unless every tensor binds
        and the digest of the installed tensors is the published one; the worker then holds no version."""
        self._held = None
        bound = self._policy.install(snapshot, "old")
        self._held = Installed(snapshot.version, self._policy.digest("old"), bound, self._policy.fingerprint("old"))
        self._metrics.installed(snapshot.version)
        return self._held

    @ray.method(num_returns=3)
    def sample(self, request: RolloutRequest) -> tuple[RolloutReceipt, NDArray[np.uint8], TrainingSample]:
        """The receipt, the candidates uint8 [K, H, W, 3] and the training sample. Raises WrongVersion."""
        held = self._held
        if held is None or held.version != request.version:
            has = "none" if held is None else held.version
            raise WrongVersion(f"{self._name} holds version {has}, group {request.group_id} wants {request.version}")
        clock = _Clock()
        with torch.inference_mode():
            height, width = (side * self._config.data.scale for side in request.lr.shape[:2])
            with clock.phase("encode"):
                conditioning = self._conditioner.condition(request.lr, height, width)
            times = flow_times(self._scheduler, self._config.sampler.steps, conditioning.shape[0])
            with clock.phase("denoise"):
                drawn = self._denoise(request, conditioning, times)
            with clock.phase("decode"):
                images = np.concatenate(
                    [self._codec.decode(part, conditioning.grid) for part in self._batches(drawn.x0)]
                )
            training = self._training_sample(request, conditioning, drawn, times, clock)
        self._metrics.sampled(len(images), clock.seconds)
        receipt = RolloutReceipt(
            group_id=request.group_id,
            attempt=request.attempt,
            worker=self._name,
            version=held.version,
            digest=held.digest,
            bound_tensors=held.bound_tensors,
            seconds=clock.seconds,
            drift=_drift(request.lr, images, drawn.x0) | {"velocity_norm": drawn.velocity_norm},
        )
        return receipt, images, training

    def _denoise(self, request: RolloutRequest, conditioning: Conditioning, times: Tensor) -> Drawn:
        """Candidates from the noise that the request's seed gives."""
        shape, objective = conditioning.shape, self._config.objective
        recorder = Recorder(len(times) - 1, objective.noisy_steps)

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            return recorder.saw(x, self._policy.velocity(x, t, [conditioning] * len(x), "old"))

        noise = torch.stack([seeded_noise(shape, request.seed, "initial", k) for k in range(request.candidates)])
        fresh = step_noises(shape, request.seed, request.candidates, objective.noisy_steps)
        solver, level = self._config.sampler.solver, objective.flow_grpo.noise
        parts = zip(self._batches(noise), self._batches(fresh), strict=True)
        return recorder.drawn([denoise_with_noise(velocity, x, times, solver, own, level) for x, own in parts])

    def _training_sample(
        self, request: RolloutRequest, conditioning: Conditioning, drawn: Drawn, times: Tensor, clock: "_Clock"
    ) -> TrainingSample:
        objective, x0 = self._config.objective, drawn.x0
        t, frozen = training_times(times, request.seed, len(x0), objective), {}
        roles = _evaluated_roles(self._config, request.version)
        if drawn.x_t is not None and roles.pop("v_old", None):
            frozen["v_old"] = drawn.v
        if roles:
            with clock.phase("old_velocity"):
                x_t = _training_points(request.seed, x0, t, objective) if drawn.x_t is None else drawn.x_t.flatten(0, 1)
                frozen |= {name: self._velocity(x_t, t, conditioning, role) for name, role in roles.items()}
        return TrainingSample(
            group_id=request.group_id,
            seed=request.seed,
            version=request.version,
            conditioning=conditioning,
            x0=x0.cpu(),
            t=t,
            v_old=frozen.get("v_old"),
            v_ref=frozen.get("v_ref"),
            x_t=drawn.x_t,
            t_next=None if drawn.x_t is None else training_times(times[1:], request.seed, len(x0), objective),
        )

    def _velocity(self, x_t: Tensor, t: Tensor, conditioning: Conditioning, role: Role | None) -> Tensor:
        """[K, T, N, C] on the CPU, at x_t [K * T, N, C] and t [K, T]."""
        parts = zip(self._batches(x_t), self._batches(t.flatten()), strict=True)
        v = torch.cat([self._policy.velocity(x, at, [conditioning] * len(x), role) for x, at in parts])
        return v.cpu().unflatten(0, t.shape)

    def _batches(self, tensor: Tensor) -> Iterator[Tensor]:
        return (part.to(self._device) for part in tensor.split(self._config.sampler.batch))


def _evaluated_roles(config: RunConfig, version: int) -> dict[str, Role | None]:
    """The velocities that a group sampled with `version` takes along. A version is a number of optimiser steps, so at
    S = 0 the learner trains on the group with `current` where `version` says that `old` equals it."""
    objective, roles = config.objective, dict[str, Role | None]()
    if objective.old_policy.at == "latest":
        return roles
    if config.control.max_staleness != 0 or not old_is_current(version, objective.old_policy):
        roles["v_old"] = "old"
    if objective.needs_reference:
        roles["v_ref"] = None
    return roles


def _training_points(seed: int, x0: Tensor, t: Tensor, objective: ObjectiveConfig) -> Tensor:
    """x_t [K * T, N, C]."""
    candidates, points = t.shape
    return torch.stack(
        [training_point(x0[k], t[k, j], seed, k, j, objective) for k in range(candidates) for j in range(points)]
    )


def _drift(lr: NDArray[np.uint8], images: NDArray[np.uint8], x0: Tensor) -> dict[str, float]:
    """Root mean square of the latents; colour shift in grey levels (0..255); place of the candidates' mean on the LR,
    unless that is too small to have one."""
    shift = images.mean((1, 2), dtype=np.float64) - lr.mean((0, 1), dtype=np.float64)
    norms = {"x0_norm": x0.square().mean().sqrt().item(), "colour_shift": float(np.abs(shift).mean())}
    if min(lr.shape[:2]) < LEAST_WATCHED_LR:
        return norms
    where = place(images.mean(0), lr)
    return norms | {"output_shift": where.shift, "output_zoom": where.zoom}


class _Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - start
