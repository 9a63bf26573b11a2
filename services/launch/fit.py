"""Whether the roles of a run fit into the memory of this machine, and what to change if they do not. Pure.

Roles with a whole GPU, or more, have it to themselves; those with a fraction are taken to share what is left. That is
necessary, not sufficient: Ray may place them worse.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from oars.device_memory import Need, Phases
from oars.errors import UserError


class CannotFit(UserError, RuntimeError):
    """A role that the memory of this machine cannot hold; the message names the field to change."""


@dataclass(frozen=True)
class Machine:
    gpus: int
    gpu_gb: float
    """Memory of the smallest GPU, 1e9 bytes; 0 without one."""
    host_gb: float
    """Host memory, 1e9 bytes."""


def misfits(phases: Phases, machine: Machine) -> list[str]:
    """A line for each thing that cannot fit; a machine without a GPU is held to its host memory alone."""
    lines = [line for name, phase in phases.items() for line in _of_phase(name, phase, machine)]
    return list(dict.fromkeys(lines))


def _of_phase(name: str, phase: list[Need], machine: Machine) -> Iterator[str]:
    if machine.gpus:
        on_gpu = [need for need in phase if need.gpus]
        yield from (line for need in on_gpu if (line := _alone(need, machine)))
        if line := _together(name, [need for need in on_gpu if need.gpus < 1], phase, machine):
            yield line
    loading = sum(need.processes * need.loading for need in phase)
    if loading > machine.host_gb:
        parts = ", ".join(f"{need.role} {need.processes} x {need.loading:.1f}" for need in phase)
        yield (
            f"host memory while loading, {name}: {loading:.1f} GB ({parts}), the machine has {machine.host_gb:.1f}; "
            "use fewer processes a machine, or more machines"
        )


def _alone(need: Need, machine: Machine) -> str | None:
    room = need.share * machine.gpu_gb
    if need.total <= room:
        return None
    if need.total <= machine.gpu_gb:
        return (
            f"{need.role}: {need.total:.1f} GB, and {need.share_field}: {need.share:g} leaves {room:.1f} of "
            f"{machine.gpu_gb:.1f}; set it to at least {need.total / machine.gpu_gb + 0.005:.2f}"
        )
    return f"{need.role}: {need.total:.1f} GB, and the GPU has {machine.gpu_gb:.1f}; {need.remedy}"


def _together(name: str, sharing: list[Need], phase: list[Need], machine: Machine) -> str | None:
    """What takes a fraction of a GPU, on those that no role has to itself."""
    room = (machine.gpus - sum(need.processes * need.gpus for need in phase if need.gpus >= 1)) * machine.gpu_gb
    taken = [need.processes * _taken(need, machine) for need in sharing]
    if sum(taken) <= room or room <= 0:  # that there are too few GPUs is the placement's to say
        return None
    parts = ", ".join(f"{need.role} {gb:.1f}" for need, gb in zip(sharing, taken, strict=True))
    return (
        f"{name}: roles that share a GPU take {sum(taken):.1f} GB together ({parts}), and there are {room:.1f}; "
        f"{sharing[taken.index(max(taken))].remedy}"
    )


def _taken(need: Need, machine: Machine) -> float:
    """vLLM takes its whole share at once, the others what they need."""
    return need.share * machine.gpu_gb if need.role == "judge" else need.total
