"""What a run would do, as `oars align --dry-run` prints it: roles and their memory, photos, steps, time."""

from collections.abc import Iterator
from pathlib import Path

from oars.config import RunConfig
from oars.config.alignment import RLStageConfig
from oars.device_memory import needs
from oars.expected_time import Expected
from oars.imaging.survey import Survey
from oars.memory import readable_bytes
from services.launch.costs import costs, duration
from services.launch.fit import CannotFit, Machine, misfits
from services.reward_modeling.refresh_settings import stage_training


def check_fits(config: RunConfig, machine: Machine) -> None:
    """Raises CannotFit with everything that does not fit into this machine's memory, in one line."""
    if lines := misfits(costs(config).phases, machine):
        raise CannotFit("; ".join(lines))


def plan_lines(config: RunConfig, photos: Survey, directory: Path | None) -> Iterator[str]:
    """For people. `directory`: that of the run that would go on."""
    needed = costs(config)
    sizes = needed.sizes
    yield f"run: {f'go on with {directory}' if directory else f'a new one, {config.name}-TIME, in {config.runs}'}"
    yield f"generator: {config.generator.path}, {sizes.transformer / 1e6:,.0f} M parameters"
    yield f"judge: {config.reward.endpoint or f'{config.judge.path}, {sizes.judge / 1e6:,.0f} M parameters'}"
    yield f"photos: {photos.line}"
    yield from (f"  left out: {line}" for line in photos.left_out[:3])
    for need in needs(needed.phases):
        device = f"{need.gpus:g} GPU, {readable_bytes(need.total * 1e9)} of it each; " if need.gpus else ""
        loading = readable_bytes(need.loading * 1e9)
        yield f"{need.role}: {need.processes} x {device}{loading} of host memory each while loading"
    yield from _stages(config)
    yield from _times(needed.times)


def _times(times: list[Expected]) -> Iterator[str]:
    yield from (f"time, {one.what}: {duration(one.seconds)}" for one in times)
    known = [one.seconds for one in times if one.seconds is not None]
    rest = ", what is not known aside" if len(known) < len(times) else ""
    yield f"time, all: {duration(sum(known))} on H100s{rest}" if times else f"time: {duration(None)}"


def _stages(config: RunConfig) -> Iterator[str]:
    cold = config.stages.cold_start
    if cold.weights is not None:
        yield f"cold start: none, weights of {cold.weights}"
    else:
        yield f"cold start: {cold.steps} steps of {cold.batch} crops, trained: {cold.trained}"
    yield _rl("FR-RL", config.stages.fr_rl, config)
    if (training := stage_training(config)) is not None:
        yield f"refresh: the judge is trained on FR-RL's pictures, at most {training.steps} steps"
    yield _rl("NR-RL", config.stages.nr_rl, config)
    yield f"held-out evaluation: {config.data.evaluation_crops} crops, {config.sampler.inference_steps} denoising steps"


def _rl(name: str, stage: RLStageConfig, config: RunConfig) -> str:
    return f"{name}: {stage.steps} steps of {stage.groups} groups of {config.rollout.candidates} candidates"
