"""Memory that each role takes, on its device and of the host while it loads, from the sizes of the models, in GB (1e9
bytes). Pure.

What depends on the picture's size was measured at 512 x 512 with random full-size weights (docs/results/full-size.md)
and is taken to grow with the area. Ours.
"""

from dataclasses import dataclass, replace

from oars.config import RunConfig
from oars.config.judge_training import JudgeTrainingConfig

# Bytes a parameter: at rest in bfloat16 or float32; trained with its gradient and AdamW's two moments, all float32.
_HALF, _FULL, _TRAINED = 2, 4, 16
# Activations at 512 x 512, GB: one picture through the VAE's decoder, one candidate through the transformer
# (calculated: a block's widest layer, float32 under the adapter), one training point
# with checkpointing, and without (calculated: of 60 blocks, not one).
_DECODED, _DENOISED, _POINT, _POINT_WHOLE = 2.2, 0.4, 1.73, 55.0
# The same of one transition that a judge of so many parameters is taught, in all its prompts (calculated; taken to grow
# with the parameters).
_TAUGHT, _TAUGHT_WHOLE, JUDGE = 0.9, 7.0, 8.77e9
# Float32 elements of DeepSpeed's buckets and gathered parameters (learner/engine.py).
_ZERO_ELEMENTS = 0.9e9
# vLLM profiles one picture of the processor's greatest size before it reserves its KV cache.
_PROFILING = 3.0


@dataclass(frozen=True)
class Sizes:
    """Numbers of parameters of the models that a run names."""

    transformer: int
    text_encoder: int
    """All of a pipeline's: FLUX's has two."""
    vae: int
    lora: int
    """One adapter of RL."""
    sft_lora: int
    """The cold start's."""
    judge: int
    kv_bytes: int
    """Bytes of one token in the judge's KV cache, bfloat16."""
    refreshed: int = 0
    """Parameters that `stages.refresh` trains."""


@dataclass(frozen=True)
class Need:
    """One process of a role in one phase: GB by what takes it."""

    role: str
    parts: dict[str, float]
    gpus: float
    """Share of a device that it reserves."""
    processes: int
    loading: float
    """GB of host memory while one process loads; without a GPU they stay there."""
    share: float
    """Largest share of its device that it may take."""
    share_field: str
    """The config's field of `share`."""
    remedy: str
    """What to change where it does not fit."""

    @property
    def total(self) -> float:
        return sum(self.parts.values())


Phases = dict[str, list[Need]]
"""What is there at a time, by phase."""


def needs(phases: Phases) -> list[Need]:
    """Every role, as in the first phase that it has."""
    found: dict[str, Need] = {}
    for need in (need for phase in phases.values() for need in phase):
        found.setdefault(need.role, need)
    return list(found.values())


def phases(config: RunConfig, sizes: Sizes, training: JudgeTrainingConfig | None = None) -> Phases:
    """Roles that hold memory at the same time; `training` of `stages.refresh`. A judge elsewhere holds none of this
    cluster's."""
    judge = [] if config.reward.endpoint else [_judge(config, sizes)]
    rl = [_reinforcement(config, sizes), _worker(config, sizes), *judge]
    found = {} if _no_cold_start(config) else {"cold start": [_cold_start(config, sizes), *judge]}
    return found | {"RL": rl} | (_refresh_phases(config, sizes, training, rl, judge) if training else {})


def _refresh_phases(
    config: RunConfig, sizes: Sizes, training: JudgeTrainingConfig, rl: list[Need], judge: list[Need]
) -> Phases:
    """The training, then one more judge; RL's roles stay, and those on a GPU have loaded."""
    there = [replace(need, loading=0.0) if need.gpus else need for need in rl]
    return {"refresh": [*there, _refresh(config, training, sizes)], "exchange of the judge": [*there, *judge]}


def _no_cold_start(config: RunConfig) -> bool:
    return config.stages.cold_start.weights is not None or config.stages.cold_start.steps == 0


def _worker(config: RunConfig, sizes: Sizes) -> Need:
    at_once = min(config.sampler.batch, config.rollout.candidates)
    return Need(
        "rollout worker",
        {
            "transformer": _HALF * sizes.transformer / 1e9,
            "text encoder": _HALF * sizes.text_encoder / 1e9,
            "VAE": _FULL * sizes.vae / 1e9,
            "adapter": _FULL * sizes.lora / 1e9,
            "activations": max(_DECODED * _area(config), at_once * _DENOISED * _sequence(config)),
        },
        config.rollout.resources.num_gpus,
        config.rollout.workers,
        (_HALF * (sizes.transformer + sizes.text_encoder) + _FULL * sizes.vae) / 1e9,
        config.rollout.gpu_memory_utilization,
        "rollout.gpu_memory_utilization",
        "lower sampler.batch or data.crop",
    )


def _reinforcement(config: RunConfig, sizes: Sizes) -> Need:
    ranks, stage = config.learner.ranks, config.learner.zero_stage
    return Need(
        "learner, RL",
        {
            "transformer": _HALF * sizes.transformer / (ranks if stage == 3 else 1) / 1e9,
            "adapters": (_trained(sizes.lora, ranks, stage) + 2 * _FULL * sizes.lora) / 1e9,
            "buckets": _buckets(stage),
            "activations": _points(config, config.optimiser.micro_batch),
        },
        config.learner.resources.num_gpus,
        ranks,
        _HALF * sizes.transformer / (ranks if stage == 3 else 1) / 1e9,
        config.learner.gpu_memory_utilization,
        "learner.gpu_memory_utilization",
        "lower optimiser.micro_batch or data.crop, or set learner.gradient_checkpointing or learner.zero_stage: 3 with "
        "more ranks",
    )


def _cold_start(config: RunConfig, sizes: Sizes) -> Need:
    ranks, cold = config.learner.ranks, config.stages.cold_start
    stage = config.learner.zero_stage if cold.zero_stage is None else cold.zero_stage
    if cold.trained == "all":
        weights = {"trained weights": _trained(sizes.transformer, ranks, stage) / 1e9}
    else:
        rest = _HALF * sizes.transformer / (ranks if stage == 3 else 1)
        weights = {"transformer": rest / 1e9, "adapter": _trained(sizes.sft_lora, ranks, stage) / 1e9}
    beside = {
        "text encoder": _HALF * sizes.text_encoder / 1e9,
        "VAE": _FULL * sizes.vae / 1e9,
        "buckets": _buckets(stage),
        "activations": _points(config, cold.optimiser.micro_batch),
    }
    rest = (_FULL if cold.trained == "all" else _HALF) * sizes.transformer / (ranks if stage == 3 else 1)
    return Need(
        "learner, cold start",
        weights | beside,
        config.learner.resources.num_gpus,
        ranks,
        rest / 1e9 + beside["text encoder"] + beside["VAE"],
        cold.gpu_memory_utilization,
        "stages.cold_start.gpu_memory_utilization",
        "set stages.cold_start.trained: lora, .zero_stage: 3 with more ranks, or .optimiser.micro_batch: 1",
    )


def _judge(config: RunConfig, sizes: Sizes) -> Need:
    judge = config.judge
    return Need(
        "judge",
        {
            "weights": _HALF * sizes.judge / judge.tensor_parallel / 1e9,
            "profiling": _PROFILING,
            "KV cache, one prompt": sizes.kv_bytes * judge.max_model_len / judge.tensor_parallel / 1e9,
        },
        judge.resources.num_gpus or float(bool(judge.placement_group_bundles)),
        judge.tensor_parallel,
        _HALF * sizes.judge / judge.tensor_parallel / 1e9,
        judge.gpu_memory_utilization,
        "judge.gpu_memory_utilization",
        "lower judge.max_model_len, raise judge.tensor_parallel, or take a smaller judge",
    )


def _refresh(config: RunConfig, training: JudgeTrainingConfig, sizes: Sizes) -> Need:
    learner, taught = training.learner, _TAUGHT if training.learner.gradient_checkpointing else _TAUGHT_WHOLE
    ranks, stage = learner.ranks, learner.zero_stage
    rest = sizes.judge if training.trained == "lora" else sizes.judge - sizes.refreshed
    shown = training.micro_batch * shown_transitions(config, training) * shown_area(config, training)
    parts = {
        "trained weights": _trained(sizes.refreshed, ranks, stage) / 1e9,
        "other weights": _HALF * rest / (ranks if stage == 3 else 1) / 1e9,
        "buckets": _buckets(stage),
        "activations": shown * taught * sizes.judge / JUDGE,
    }
    return Need(
        "learner, refresh",
        parts,
        learner.resources.num_gpus,
        ranks,
        # Each rank reads the whole judge in float32; without a GPU all that it needs is host memory.
        max(_FULL * sizes.judge / 1e9, 0.0 if learner.resources.num_gpus else sum(parts.values())),
        learner.gpu_memory_utilization,
        "stages.refresh: learner.gpu_memory_utilization",
        "in its training lower micro_batch or candidates, or set trained: lora, learner.gradient_checkpointing or "
        "learner.zero_stage: 3 with more ranks",
    )


def shown_transitions(config: RunConfig, training: JudgeTrainingConfig) -> int:
    """Transitions of a group in a step of the refresh."""
    return min(training.candidates, group_transitions(config)) + training.ladder_length


def group_transitions(config: RunConfig) -> int:
    """Of a group that FR-RL kept: the policy's candidates and three made of them."""
    return min(config.control.kept_pictures, config.rollout.candidates) + 3


def shown_area(config: RunConfig, training: JudgeTrainingConfig) -> float:
    """Of a picture in a step of the refresh, over 512 x 512."""
    sides = training.sides or (config.data.crop,)
    return sum((side / 512) ** 2 for side in sides) / len(sides)


def _trained(parameters: int, ranks: int, stage: int) -> float:
    """Bytes a rank: ZeRO 1 divides the moments, 2 also gradients, 3 also weights."""
    divided = {0: 0, 1: 8, 2: 12, 3: _TRAINED}[stage]
    return parameters * (_TRAINED - divided + divided / ranks)


def _buckets(stage: int) -> float:
    return _FULL * _ZERO_ELEMENTS / 1e9 if stage == 3 else 0.0


def _points(config: RunConfig, micro_batch: int) -> float:
    point = _POINT if config.learner.gradient_checkpointing else _POINT_WHOLE
    return micro_batch * point * _sequence(config)


def _sequence(config: RunConfig) -> float:
    """Tokens of a pass, over those of 512 x 512 with one picture to edit."""
    return _area(config) * (1 + config.generator.pictures) / 2


def _area(config: RunConfig) -> float:
    return (config.data.crop / 512) ** 2
