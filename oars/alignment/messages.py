"""Messages between the roles: a rollout request and its answer, a training sample, a published policy.

A group is one LR image with K candidates. The conductor writes a `RolloutRequest`; a rollout worker answers with three
values that travel apart: `RolloutReceipt` (small, read by the conductor), the candidate images (read by the judge) and
`TrainingSample` (read by the learner). The driver holds ObjectRefs of the two large ones, never their values. Refs are
typed `Any`, because this package knows no Ray.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class RolloutRequest:
    """One LR image to sample. Candidate k's initial noise is `seeded_noise(shape, seed, "initial", k)`."""

    group_id: str
    attempt: int
    lr: NDArray[np.uint8]
    """[h, w, 3]"""
    seed: int
    candidates: int
    version: int
    """The policy version that the conductor expects the worker to hold."""


@dataclass(frozen=True)
class RolloutReceipt:
    """Worker, version and digest behind a group: the proof that the published adapter arrived."""

    group_id: str
    attempt: int
    worker: str
    version: int
    digest: str
    """Digest of the adapter tensors as installed in the worker's transformer, not as received."""
    bound_tensors: int
    seconds: dict[str, float] = field(default_factory=dict)
    """Seconds by phase: encode, denoise, decode, and old_velocity where the worker evaluates v_old or v_ref."""
    drift: dict[str, float] = field(default_factory=dict)
    """Drift monitors: x0_norm and velocity_norm (root mean squares of the latents and of the velocities that led to
    them), colour_shift (mean absolute difference of channel means to the LR, in grey levels), output_shift and
    output_zoom (oars/metrics/place.py)."""


@dataclass(frozen=True)
class Sampled:
    """A sampled group: the receipt, and references to what travels on."""

    receipt: RolloutReceipt
    images: Any
    """ObjectRef of uint8 [K, H, W, 3]."""
    sample: Any
    """ObjectRef of the TrainingSample."""
    queued_s: float
    """Seconds that the request waited for a free worker."""


@dataclass(frozen=True)
class AttemptFailed:
    """An attempt at a group that came to nothing; the next one may do better."""

    error: str
    timed_out: bool


@dataclass(frozen=True)
class Conditioning:
    """Tensors that depend on the LR image alone; computed once a group, shared by its K candidates."""

    prompt_embeds: Tensor
    """[L, D]"""
    image_latents: Tensor
    """[V * N, C]: V pictures of the LR at the output size, one after the other, as packed VAE latents."""
    grid: tuple[int, int]
    """Packed latent rows and columns of the output; N = rows * columns."""

    @property
    def shape(self) -> tuple[int, int]:
        """(N, C) of one output's latents."""
        rows, columns = self.grid
        return rows * columns, self.image_latents.shape[1]

    @property
    def pictures(self) -> int:
        """V."""
        return len(self.image_latents) // self.shape[0]


@dataclass(frozen=True)
class TrainingSample:
    """A sampled group as the learner needs it. Training noise j of candidate k is
    `seeded_noise(shape, seed, "train", k, j)`; x_t = (1 - t) x_0 + t noise."""

    group_id: str
    seed: int
    version: int
    conditioning: Conditioning
    x0: Tensor
    """[K, N, C] clean latents of the candidates."""
    t: Tensor
    """[K, T] training timesteps in (0, 1]."""
    v_old: Tensor | None
    """[K, T, N, C] velocity of the sampling adapter at the training points; None where the learner evaluates it, or
    takes v_theta for it."""
    v_ref: Tensor | None
    """[K, T, N, C] velocity with the adapter off; None when the KL weight is 0, or where the learner evaluates it."""
    x_t: Tensor | None = None
    """[K, T, N, C] where the rollout's steps with noise began (Flow-GRPO), the noise of step j being
    `step_noise(shape, seed, k, j)`; None for DiffusionNFT, whose x_t are not on the rollout's way."""
    t_next: Tensor | None = None
    """[K, T] times at which those steps ended."""


@dataclass(frozen=True)
class PolicySnapshot:
    """A published adapter: one version of `old`."""

    version: int
    digest: str
    tensors: dict[str, Tensor]
    """Adapter tensors by peft state-dict name, float32, on the CPU."""


@dataclass(frozen=True)
class Published:
    """One version of the policy as the driver announces it to workers."""

    version: int
    digest: str
    ref: Any
    """ObjectRef of the PolicySnapshot, owned by the driver."""
    bytes: int
    tensors: int


@dataclass(frozen=True)
class TrainingGroup:
    """A group as the learner takes it."""

    group_id: str
    sample: Any
    """TrainingSample, or the ObjectRef of one."""
    optimality: tuple[float | None, ...]
    """[K] in [0, 1]; None for a candidate without a score, which is not trained on."""
