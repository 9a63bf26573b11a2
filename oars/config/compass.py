"""Config of the reward: its function, its judge, how the judge is called, how it is served."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from oars.config.base import Config, Precision
from oars.config.cluster import ResourcesConfig


class RewardClientConfig(Config):
    """The reward: the function that makes it, and the client of its judge (the conductor's, `oars score`'s, any)."""

    function: str = "oars.compass.formula.compass_reward"
    """Dotted path of the function that makes R. Its arguments name the readings that it takes: of COMPASS `fidelity`
    (F, measured against GT in FR-RL), `q_lr`, `q_sr` and `confidence`. It returns a float, and runs in the caller."""
    parameters: dict[str, float] = Field(default_factory=dict)
    """Other arguments of the function, e.g. {gamma: 7}; those that are not given keep the function's defaults."""
    best: PositiveFloat = 5.0
    """R of a perfect output: the group filter looks at R / best."""
    window_shift: NonNegativeInt = 0
    """Pixels by which the window that a group is scored in is smaller than its pictures and moves at random, group by
    group, so that no lattice stays in phase with the judge's patches (ours; oars/compass/window.py). Best a multiple of
    such a patch. 0: whole pictures."""
    app: str = "compass"
    """Name of the Ray Serve application."""
    endpoint: str | None = Field(default=None, pattern=r"^(grpcs?|https?|openai\+https?)://[^/]+")
    """Address of COMPASS. None: the Serve application `app` of this Ray cluster, by handle. `grpc://host:port` or
    `grpcs://` (TLS): its gRPC gateway. `http://` or `https://`: its HTTP gateway. `openai+http://host:port/v1` or
    `openai+https://`: an OpenAI-compatible vLLM server (`vllm serve`) with the judge's checkpoint."""
    token_file: Path | None = None
    """File with the bearer token of the endpoint. Default: OARS_COMPASS_TOKEN in the environment, if set."""
    ca_file: Path | None = None
    """CA bundle (PEM) used to verify the endpoint's certificate. Default: the system's."""
    deadline_s: PositiveFloat = 120.0
    """Deadline of one attempt, seconds; when it passes, the attempt is cancelled."""
    attempts: PositiveInt = 4
    """Attempts of one request that may run into the deadline."""
    patience_s: PositiveFloat = 180.0
    """Seconds for which a request is retried while the service is absent. A replica restarts within a minute, one with
    a large judge within minutes."""
    backoff_s: PositiveFloat = 0.5
    """First wait between attempts, seconds; doubles each time, with jitter."""
    min_scored: PositiveInt = 2
    """Groups with fewer scored candidates are dropped."""
    max_failure_rate: float = Field(default=0.5, ge=0, le=1)
    """Above this share of failed candidates the circuit breaker pauses the run, then stops it with the reason."""
    failure_window: PositiveInt = 100
    """Number of recent candidates over which that share is taken."""
    slow_share: float = Field(default=0.5, gt=0, le=1)
    """An answer is strained if it takes longer than this share of `deadline_s` or more than one attempt. When half of
    the answers are, fewer groups are admitted (services/control/concurrency.py)."""


class JudgeConfig(Config):
    """The judge behind COMPASS and its vLLM engine (deploy/serve/compass.yaml carries the same keys as args)."""

    path: str = "miniature"
    """Directory in transformers' format, `hf://ORGANISATION/NAME@COMMIT` of a hub after `oars models pull`, or
    `miniature` for the embedded one: a judge of `oars compass train`, or a stock chat VLM that vLLM serves. The scale
    of measured fidelity lies beside it. With an `openai+` endpoint it tells the prompts; a name that is no directory
    here stands for a stock checkpoint."""
    calibration: Path | None = None
    """File of `oars compass calibrate`: maps a stock checkpoint's readings to the scale of labels."""
    class_path: str | None = None
    """Dotted path of a class that judges in place of the Qwen3-VL (reward_server/class_judge.py): a metric, a CLIP
    score, another VLM."""
    init_args: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of that class."""
    dtype: Precision | Literal["float16"] = "native"
    """Precision of the engine's arithmetic."""
    max_model_len: PositiveInt = 4096
    """Longest prompt, tokens of text and pictures."""
    max_num_seqs: PositiveInt = 64
    """Prompts in one engine step; a group has K + 1."""
    max_num_batched_tokens: PositiveInt = 8192
    """Tokens of text and pictures in one engine step. It bounds how long a new prompt waits."""
    block_size: PositiveInt = 32
    """KV block, tokens; small enough that a group's shared LR prefix fills whole blocks. vLLM's CPU attention takes
    multiples of 32 only."""
    tensor_parallel: PositiveInt = 1
    """Devices that share one judge."""
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of the GPU that weights, activations and KV cache may take; unused on a CPU."""
    cpu_kv_cache_gib: PositiveFloat = 0.25
    """KV cache on a CPU, GiB; unused on a GPU."""
    enforce_eager: bool = False
    """Skip CUDA graphs: starts faster, runs slower."""
    min_pixels: PositiveInt = 64 * 64
    """Smallest area of a picture in a request, pixels."""
    max_pixels: PositiveInt = 1024 * 1024
    """Largest area of a picture in a request, pixels."""
    max_candidates: PositiveInt = 64
    """Most candidates in a request."""
    min_confidence: float = Field(default=0.5, ge=0, le=1)
    """Share of a trained judge's probability mass that each set of score tokens must get; below it the candidate fails
    (ours)."""
    warmup: NonNegativeInt = 2
    """Groups scored before the replica reports ready. If none of their candidates gets a score, it never does."""
    score_cache: NonNegativeInt = 8192
    """Answers kept for exact duplicates, about a kilobyte each; 0 keeps none."""
    resources: ResourcesConfig = ResourcesConfig()
    """Resources that Ray reserves for one replica, engine included. A fraction of a GPU is accounting alone: two
    replicas that share one need `gpu_memory_utilization` below 0.45 each."""
    placement_group_bundles: tuple[dict[str, float], ...] = ()
    """Bundles that one replica reserves when the judge spans several devices (`tensor_parallel`), e.g. [{CPU: 2, GPU:
    1}, {GPU: 1}]; set `resources.num_gpus` to 0. The replica's own process takes `resources` out of the first bundle,
    vLLM's workers take the GPUs."""
    placement_group_strategy: Literal["PACK", "STRICT_PACK", "SPREAD", "STRICT_SPREAD"] = "STRICT_PACK"
    """Placement of the bundles; STRICT_PACK: on one node."""

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        if self.min_pixels > self.max_pixels:
            raise ValueError(f"min_pixels: {self.min_pixels} is more than max_pixels {self.max_pixels}")
        return self

    @model_validator(mode="after")
    def _gpus_are_reserved_once(self) -> Self:
        if self.placement_group_bundles and self.resources.num_gpus:
            raise ValueError("resources.num_gpus: the GPUs are in placement_group_bundles; say 0 here")
        return self


class GatewayConfig(Config):
    """The gateways of COMPASS for callers outside the cluster, gRPC and HTTP: addresses, tokens, limits."""

    app: str = "compass"
    """Serve application that the gateways forward to."""
    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback requires tokens."""
    http_port: NonNegativeInt | None = 8000
    """Port of the HTTP gateway. None: no HTTP gateway. 0: any free port."""
    grpc_port: NonNegativeInt | None = 9000
    """Port of the gRPC gateway. None: no gRPC gateway. 0: any free port."""
    tokens: Path | None = None
    """File with a line `name token [expires]` for each client; read again when it changes. Default: such lines in
    OARS_COMPASS_TOKENS in the environment. Without either, every caller that reaches the port is let in."""
    certificate: Path | None = None
    """Certificate chain (PEM). With one, both gateways speak TLS only."""
    key: Path | None = None
    """Private key (PEM) of the certificate."""
    max_request_bytes: PositiveInt = 128 * 2**20
    """Largest request body, bytes: 24 candidates of 1024 x 1024, raw or as PNG in base64."""
    max_request_pixels: PositiveInt = 2**25
    """Most pixels of all pictures of a request together, read from their headers before one is decoded."""
    max_buffered_bytes: PositiveInt = 2**30
    """Most bytes of request bodies held at once; beyond it a request is refused as overload."""
    max_in_flight: PositiveInt = 256
    """Most requests at once; beyond it a request is refused as overload. It exceeds what the replicas and their queue
    hold (deploy/serve/compass.yaml), so an overloaded judge refuses first."""
    max_in_flight_per_client: PositiveInt = 128
    """Most requests of one client at once."""
    max_connections: PositiveInt = 512
    """Most open HTTP connections, and most open gRPC calls."""
    requests_per_s: PositiveFloat = 200.0
    """Sustained rate of one client, requests a second. It bounds an accident, not a workload: a group is one
    request."""
    burst: PositiveInt = 400
    """Requests that a client may send at once after a rest."""
    decode_threads: PositiveInt = 4
    """Threads that decode pictures beside the event loop."""
    read_timeout_s: PositiveFloat = 30.0
    """Seconds a client has to send the headers, and then again to send the body."""
    deadline_s: PositiveFloat = 120.0
    """Longest time for a request, seconds; a client may ask for less, not more."""
    drain_s: PositiveFloat = 15.0
    """Seconds a stopping gateway has to finish the requests it accepted."""

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key: give both or neither")
        return self
