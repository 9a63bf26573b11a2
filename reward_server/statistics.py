"""Statistics of one replica's engine since it started."""

from collections import Counter
from dataclasses import dataclass, field

from oars.config import JudgeConfig


@dataclass
class EngineStatistics:
    """Totals since the engine started; subtract two to describe the time between."""

    steps: int = 0
    """Forward passes of the judge."""
    prompts: int = 0
    """Prompts prefilled; a group is K + 1 of them."""
    computed_tokens: int = 0
    shared_tokens: int = 0
    """Prompt tokens taken from the prefix cache instead: the LR of a group, K times."""
    pictures_encoded: int = 0
    """Pictures that went through the vision encoder."""
    pictures_seen: int = 0
    """Pictures that prompts named; K times two and one a group."""
    pictures_known: int = 0
    """Pictures among these that were already preprocessed."""
    answers_known: int = 0
    """Answers given from memory: exact duplicates."""
    batches: Counter[int] = field(default_factory=Counter)
    """Steps by their number of prompts."""

    def step(self, prompts: int, computed: int, shared: int, encoded: int) -> None:
        self.steps += 1
        self.prompts += prompts
        self.computed_tokens += computed
        self.shared_tokens += shared
        self.pictures_encoded += encoded
        self.batches[prompts] += 1

    def __sub__(self, before: "EngineStatistics") -> "EngineStatistics":
        return EngineStatistics(**{name: value - getattr(before, name) for name, value in vars(self).items()})

    def __add__(self, other: "EngineStatistics") -> "EngineStatistics":
        return EngineStatistics(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass(frozen=True)
class ReplicaReport:
    """Statistics of one replica, for operators."""

    replica: str
    pid: int
    judge: JudgeConfig
    judge_digest: str
    engine: EngineStatistics
