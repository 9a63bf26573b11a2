"""Config of the reward: formula, judge, how it is called, how it is served."""

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from oars.config.base import Config
from oars.config.cluster import ResourcesConfig


class RewardConfig(Config):
    """COMPASS: R = F * Q_LR + F^(Q_LR / gamma) * (Q_SR - Q_LR)."""

    gamma: PositiveFloat = 7.0
    min_confidence: float = Field(default=0.5, ge=0, le=1)
    """Probability mass that must lie on score tokens; below it the candidate is a failure (ours)."""


class RewardClientConfig(Config):
    """How the conductor calls COMPASS."""

    app: str = "compass"
    """Name of the Ray Serve application."""
    deadline_s: PositiveFloat = 120.0
    """One attempt's deadline; when it passes, the attempt is cancelled."""
    attempts: PositiveInt = 4
    """Attempts of one request that may run into the deadline."""
    patience_s: PositiveFloat = 180.0
    """Seconds for which a request is repeated while the service is absent; a replica restarts within a minute, one with
    a large judge within minutes."""
    backoff_s: PositiveFloat = 0.5
    """First wait between attempts; doubles each time, with jitter."""
    min_scored: PositiveInt = 2
    """A group with fewer scored candidates is dropped."""
    max_failure_rate: float = Field(default=0.5, ge=0, le=1)
    """Above this share of failed candidates the run pauses, then stops with the reason."""
    failure_window: PositiveInt = 100
    """Candidates over which that share is taken."""
    slow_share: float = Field(default=0.5, gt=0, le=1)
    """An answer that takes longer than this share of `deadline_s`, or more than one attempt, is strained; when half of
    them are, fewer groups are admitted (services/concurrency.py)."""


class JudgeConfig(Config):
    """The judge behind COMPASS and its vLLM engine (deploy/serve/compass.yaml carries the same keys as args)."""

    path: str = "miniature"
    """Qwen3-VL directory in transformers' format, or `miniature` for the embedded one."""
    dtype: str = "bfloat16"
    max_model_len: PositiveInt = 4096
    max_num_seqs: PositiveInt = 64
    block_size: PositiveInt = 32
    """KV block, tokens; small enough that a group's shared LR prefix fills whole blocks. vLLM's CPU attention takes
    multiples of 32 only."""
    tensor_parallel: PositiveInt = 1
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of the GPU that weights, activations and KV cache may take; unused on a CPU."""
    cpu_kv_cache_gib: PositiveFloat = 0.25
    """KV cache on a CPU; unused on a GPU."""
    enforce_eager: bool = False
    min_pixels: PositiveInt = 64 * 64
    max_pixels: PositiveInt = 1024 * 1024
    """Bounds on the area of an image that a request may carry."""
    max_candidates: PositiveInt = 64
    reward: RewardConfig = RewardConfig()
    warmup: NonNegativeInt = 2
    """Groups scored before the replica reports ready. If none of their candidates gets a score, it never does."""
    resources: ResourcesConfig = ResourcesConfig()
    """What Ray reserves for one replica, engine included."""
