"""The state of the stage that is running: what it admitted and holds, and who waits for a change of it."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from oars.alignment.drops import DropReason
from oars.alignment.stage import Stage
from oars.config.alignment import RLStageConfig
from services.control.admission import Admission
from services.control.experience import ExperienceBuffer, ScoredGroup
from services.control.group_runner import RLGroup


@dataclass
class StageRun:
    """Made by `Conductor.stage`."""

    stage: Stage
    config: RLStageConfig
    rl_group: RLGroup
    tasks: asyncio.TaskGroup
    rule: Admission
    buffer: ExperienceBuffer
    step: int
    admitted: int
    in_flight: int = 0
    leased: list[ScoredGroup] = field(default_factory=list)
    """A batch whose step an earlier driver began and did not finish."""
    step_began: float = 0.0
    drops_in_a_row: Counter[DropReason] = field(default_factory=Counter)
    lives: set[asyncio.Task[None]] = field(default_factory=set)
    look: asyncio.Task[None] | None = None
    """The look at the watched crops that began last."""
    room: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something happened that may let a group in."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something happened that may complete a batch."""
