"""Config of the reward: formula, judge, how it is called, how it is served."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from oars.config.base import Config, Precision
from oars.config.cluster import ResourcesConfig


class RewardConfig(Config):
    """COMPASS: R = F * Q_LR + F^(Q_LR / gamma) * (Q_SR - Q_LR)."""

    gamma: PositiveFloat = 7.0
    min_confidence: float = Field(default=0.5, ge=0, le=1)
    """Probability mass that must lie on score tokens; below it the candidate is a failure (ours)."""


class RewardClientConfig(Config):
    """How COMPASS is called: by the conductor, `oars score`, and any other client."""

    app: str = "compass"
    """Name of the Ray Serve application."""
    endpoint: str | None = Field(default=None, pattern=r"^(grpcs?|https?|openai\+https?)://[^/]+")
    """Where COMPASS answers. None: the Serve application `app` of this Ray cluster, by handle. `grpc://host:port` or
    `grpcs://` (TLS): its gRPC gateway. `http://` or `https://`: its HTTP gateway. `openai+http://host:port/v1` or
    `openai+https://`: an OpenAI-compatible vLLM server (`vllm serve`) with the judge's checkpoint."""
    token_file: Path | None = None
    """File with the bearer token of the endpoint. Default: the environment's OARS_COMPASS_TOKEN, if set."""
    ca_file: Path | None = None
    """Certificates (PEM) that vouch for the endpoint's. Default: the system's."""
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
    them are, fewer groups are admitted (services/control/concurrency.py)."""


class JudgeConfig(Config):
    """The judge behind COMPASS and its vLLM engine (deploy/serve/compass.yaml carries the same keys as args)."""

    path: str = "miniature"
    """Qwen3-VL directory in transformers' format, or `miniature` for the embedded one."""
    dtype: Precision | Literal["float16"] = "native"
    max_model_len: PositiveInt = 4096
    max_num_seqs: PositiveInt = 64
    """Prompts that the engine takes into one step; K + 1 a group."""
    max_num_batched_tokens: PositiveInt = 8192
    """Tokens of one step, text and pictures: what a step computes at most, and so how long a new prompt waits."""
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
    score_cache: NonNegativeInt = 8192
    """Answers kept for exact duplicates, about a kilobyte each; 0 keeps none."""
    resources: ResourcesConfig = ResourcesConfig()
    """What Ray reserves for one replica, engine included. A fraction of a GPU is accounting alone: two replicas that
    share one need `gpu_memory_utilization` below 0.45 each."""
    placement_group_bundles: tuple[dict[str, float], ...] = ()
    """For a judge over several devices (`tensor_parallel`), instead of as many `resources.num_gpus`: what one replica
    reserves, bundle by bundle, e.g. [{CPU: 2, GPU: 1}, {GPU: 1}]. Its own process takes `resources`, without GPUs, out
    of the first; vLLM's workers take the GPUs."""
    placement_group_strategy: Literal["PACK", "STRICT_PACK", "SPREAD", "STRICT_SPREAD"] = "STRICT_PACK"
    """Where the bundles lie; STRICT_PACK: on one node."""

    @model_validator(mode="after")
    def _gpus_are_reserved_once(self) -> Self:
        if self.placement_group_bundles and self.resources.num_gpus:
            raise ValueError("resources.num_gpus: the GPUs are in placement_group_bundles; say 0 here")
        return self


class GatewayConfig(Config):
    """The gateways of COMPASS for callers outside the cluster, gRPC and HTTP: where they listen and whom they let
    in."""

    app: str = "compass"
    """Serve application whose judge answers."""
    host: str = "127.0.0.1"
    """Address to listen at. Anything but loopback needs tokens."""
    http_port: NonNegativeInt | None = 8000
    """None: no HTTP gateway. 0: any free port."""
    grpc_port: NonNegativeInt | None = 9000
    """None: no gRPC gateway. 0: any free port."""
    tokens: Path | None = None
    """File with a line `name token [expires]` for each client; it is read again when it changes. Default: the
    environment's OARS_COMPASS_TOKENS with such lines. Without either, whoever reaches the port is let in."""
    certificate: Path | None = None
    """Certificate chain (PEM): both gateways speak TLS only."""
    key: Path | None = None
    """Private key (PEM) of the certificate."""
    max_request_bytes: PositiveInt = 128 * 2**20
    """Longest body: 24 candidates of 1024 x 1024, raw or as PNG in base64."""
    max_request_pixels: PositiveInt = 2**25
    """All pictures of a request together, read from their headers before one is decoded."""
    max_buffered_bytes: PositiveInt = 2**30
    """Bodies that are held at once; beyond it a request is refused as overload."""
    max_in_flight: PositiveInt = 256
    """Requests at once; beyond it a request is refused as overload. More than the replicas and their queue hold
    (deploy/serve/compass.yaml), which say earlier, and better, when the judge is what has too much to do."""
    max_in_flight_per_client: PositiveInt = 128
    max_connections: PositiveInt = 512
    """Open HTTP connections, and gRPC calls, before any is read."""
    requests_per_s: PositiveFloat = 200.0
    """A client's steady rate: bounds an accident, not a workload (a group is one request)."""
    burst: PositiveInt = 400
    """Requests that a client may send at once after a rest."""
    decode_threads: PositiveInt = 4
    """Pictures are decoded beside the event loop."""
    read_timeout_s: PositiveFloat = 30.0
    """In which a request's headers, and then its body, have to arrive."""
    deadline_s: PositiveFloat = 120.0
    """Longest time for a request; a client may ask for less, not more."""
    patience_s: PositiveFloat = 20.0
    """For which a request whose replica died is repeated; Serve replaces a replica in less."""
    drain_s: PositiveFloat = 15.0
    """For which a stopping gateway finishes what it has accepted."""

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key: give both or neither")
        return self
