"""Seconds that a run is expected to take on GPUs, from what one H100 needed. Pure.

Measured with random full-size weights at 512 x 512 (docs/results/full-size.md) and taken to grow with the
transformer's parameters, the area and the pictures that the editor sees; a device that roles share is taken to be
shared in time, too. Ours.
"""

from dataclasses import dataclass

from oars.config import RunConfig
from oars.config.alignment import RLStageConfig
from oars.config.judge_training import JudgeTrainingConfig
from oars.device_memory import JUDGE, Sizes, group_transitions, shown_area, shown_transitions

_PARAMETERS, _SIDE = 20.43e9, 512
# Seconds of a pass of one candidate: in sampling; of v_old or v_ref; forward, backward and recomputation of a
# training point; and of the judge, a transition.
_PASS, _VELOCITY, _POINT, _TRANSITION = 0.138, 0.128, 1.47, 0.055
_MEASURED = 2.0
"""CPU seconds of a picture's metrics, for its labels: a single measurement on one core of a virtual machine."""
_STANDINGS, _PROBED, _PROBES = 2, 16, 44
"""The judge before and after; crops that each is probed on; probes of a crop."""
_VALIDATION = 5
"""One group in so many is held out of the refresh."""
_CODED = 0.045
"""Seconds of a candidate in the text encoder and the VAE."""
_MODELS = 3
"""In the held-out evaluation: base, SFT, aligned."""


@dataclass(frozen=True)
class Expected:
    """Seconds; None where they are not known."""

    what: str
    seconds: float | None


def expected(
    config: RunConfig, sizes: Sizes, training: JudgeTrainingConfig | None = None, measuring: int = 1
) -> list[Expected]:
    """By stage, the evaluation last; empty for a run without GPUs, whose speed was not measured. `training` of
    `stages.refresh`, and how many measure its pictures."""
    if not (config.rollout.resources.num_gpus and config.learner.resources.num_gpus):
        return []
    size = _size(config, sizes, config.data.crop)
    cold, found = config.stages.cold_start, []
    if cold.weights is None and cold.steps:
        crops = -(-cold.batch // config.learner.ranks)
        found.append(Expected("cold start", cold.steps * crops * _POINT * size))
    if (fr_rl := config.stages.fr_rl).steps:
        found.append(Expected("FR-RL", fr_rl.steps * _step(config, fr_rl, size)))
    if training:
        found.append(Expected("refresh", _refresh(config, training, measuring, sizes)))
    if (nr_rl := config.stages.nr_rl).steps:
        found.append(Expected("NR-RL", nr_rl.steps * _step(config, nr_rl, size)))
    return [*found, Expected("held-out evaluation", _evaluation(config, sizes))]


def _size(config: RunConfig, sizes: Sizes, side: int) -> float:
    """Work of a pass, over that which was measured, with one picture to edit."""
    return sizes.transformer / _PARAMETERS * (side / _SIDE) ** 2 * (1 + config.generator.pictures) / 2


def _step(config: RunConfig, stage: RLStageConfig, size: float) -> float:
    """The slowest role's share of a step if all work at the same time; their sum on a device that they share."""
    objective, sampler = config.objective, config.sampler
    candidates = stage.groups * config.rollout.candidates
    points = candidates * objective.timesteps
    evaluated = (objective.kind == "diffusion_nft") + (
        objective.needs_reference
    )  # Flow-GRPO's v_old is the sampler's own
    velocities = points * evaluated * _VELOCITY * size
    at_worker = objective.old_policy.at == "sampler"
    sampling = candidates * (_CODED + sampler.steps * _PASS) * size + at_worker * velocities
    training = points * _POINT * size + (not at_worker) * velocities
    roles = (sampling / config.rollout.workers, training / config.learner.ranks, candidates * _TRANSITION)
    shared = config.rollout.resources.num_gpus < 1 and config.learner.resources.num_gpus < 1
    return sum(roles) if shared else max(roles)


def _refresh(config: RunConfig, training: JudgeTrainingConfig, measuring: int, sizes: Sizes) -> float | None:
    """Labels of every group, all steps with their measurements, and both judges' standing; None for ranks without
    GPUs."""
    learner, groups = training.learner, config.stages.fr_rl.steps * config.stages.fr_rl.groups
    if not learner.resources.num_gpus:
        return None
    area, kept, held_out = (config.data.crop / _SIDE) ** 2, group_transitions(config), -(-groups // _VALIDATION)
    transition = _TRANSITION * sizes.judge / JUDGE
    labels = groups * (kept + 1) * _MEASURED * area / measuring
    passes = 4 if learner.gradient_checkpointing else 3  # a backward pass is two forward passes
    taught = training.batch_groups * shown_transitions(config, training) * passes * shown_area(config, training)
    looks = 1 + -(-training.steps // training.evaluate_every)
    looked = min(training.validation_groups, held_out) * (kept + training.ladder_length) * area
    standing = (held_out * kept + min(_PROBED, held_out) * _PROBES) * area
    tuning = (training.steps * taught + looks * looked) / learner.ranks
    return labels + (tuning + _STANDINGS * standing) * transition


def _evaluation(config: RunConfig, sizes: Sizes) -> float:
    """On one GPU."""
    sampler, size = config.sampler, _size(config, sizes, config.data.evaluation_crop)
    passes = (_MODELS - 1) * (1 + (sampler.inference_cfg > 1)) + 1 + (sampler.base_cfg > 1)
    return config.data.evaluation_crops * sampler.inference_steps * passes * _PASS * size
