"""The run's series in Ray's own Prometheus endpoint (Ray adds the prefix `ray_`, and `_total` to counters).

Created once, by the driver, after it connected to Ray. Every label value is seeded at 0, so that a dashboard shows a
series from the start and a rate from its first event. Labels carry no group or run ids.
"""

from typing import TypeVar

from ray.util.metrics import Counter, Gauge, Histogram

from oars.alignment.drops import DropReason
from oars.alignment.stage import STAGES
from oars.compass.outcome import FailureReason
from oars.config.alarms import ALARMS, AlarmName
from oars.series import Series
from reward_server.compat.ray import count

PHASES = ("starting", *(stage.name for stage in STAGES), "refresh", "evaluating", "finished")
LOSS_PARTS = ("total", "policy", "positive", "negative", "kl")

_SECONDS = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0]
_UNIT = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
_QUALITY = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]
# Ray refuses a boundary of 0, so staleness 0 falls below the first one.
_STALENESS = [0.5, 1.5, 2.5, 4.5, 8.5]

# Gauges without labels, by the name under which the conductor reports them.
GAUGES = {
    "version": "Newest published policy version",
    "in_flight": "Groups admitted and not yet trained or dropped",
    "admission_limit": "Back-pressure from COMPASS: groups that may lack a score at once",
    "buffered": "Scored groups waiting for a batch",
    "zero_spread_ratio": "Share of the step's groups whose rewards are all alike",
    "optimality_signal": "Mean |2r - 1| of the step: how far the objective tells candidates apart",
    "publish_bytes": "Bytes of the published adapter",
    "grad_norm": "Gradient norm of the last optimiser step",
    "x0_norm": "Drift: RMS of the sampled latents",
    "velocity_norm": "Drift: RMS of the sampled velocities",
    "colour_shift": "Drift: mean absolute difference of channel means, candidate to LR",
    "output_shift": "Place: pixels between the candidates and their LR",
    "output_zoom": "Place: enlargement of the candidates against their LR; 1 is none",
    "judge_divergence": "Mean absolute difference of judged and measured fidelity",
    "last_step_timestamp_seconds": "Unix time of the last optimiser step",
    "event_loop_lag_seconds": "How late the conductor's event loop runs its timers",
    "learner_idle_seconds": "Seconds that the learner has waited for groups, over the run",
    "failure_rate": "Share of candidates without a score, over the breaker's window",
    "reward_unavailable_seconds": "Seconds since the reward service last answered while a request waits",
}
HISTOGRAMS = {
    "staleness": ("Versions between sampling and training", _STALENESS),
    "reward": ("COMPASS reward R", _QUALITY),
    "fidelity": ("Fidelity F", _UNIT),
    "q_sr": ("Quality of the candidate", _QUALITY),
    "q_lr": ("Quality of the input", _QUALITY),
    "optimality": ("Optimality r", _UNIT),
    "confidence": ("Probability mass on score tokens", _UNIT),
    "queue_seconds": ("Wait of a group for a free rollout worker", _SECONDS),
    "sample_seconds": ("Sampling of one group", _SECONDS),
    "score_seconds": ("Scoring of one group", _SECONDS),
    "publish_seconds": ("Publishing one version", _SECONDS),
    "learner_step_seconds": ("One optimiser step", _SECONDS),
}
# Series with a label, whose values are all known.
LABELLED = {
    "alarm": Series("gauge", "1 while the last look at the watched crops raised the alarm", {"alarm": ALARMS}),
    "alarm_level": Series("gauge", "What the alarm goes by, at the last look (config: alarms)", {"alarm": ALARMS}),
    "phase": Series("gauge", "1 for the phase that the run is in", {"phase": PHASES}),
    "loss": Series("gauge", "Loss of the last optimiser step, by part", {"part": LOSS_PARTS}),
    "groups": Series("counter", "Groups that left, by exit", {"exit": ("trained", *DropReason)}),
    "candidates": Series("counter", "Candidates by outcome", {"outcome": ("scored", *FailureReason)}),
    "retries": Series("counter", "Repeated attempts, by role", {"role": ("rollout", "reward")}),
}
SERIES = {f"oars_{name}": Series("gauge", text) for name, text in GAUGES.items()}
SERIES |= {f"oars_{name}": Series("histogram", text, {}, tuple(bounds)) for name, (text, bounds) in HISTOGRAMS.items()}
SERIES |= {f"oars_{name}": series for name, series in LABELLED.items()}

MetricT = TypeVar("MetricT", Counter, Gauge)


class Prometheus:
    """Sets and counts; raises KeyError for a name that is not listed above."""

    def __init__(self) -> None:
        self._gauges = {name: Gauge(f"oars_{name}", text) for name, text in GAUGES.items()}
        self._histograms = {
            name: Histogram(f"oars_{name}", text, boundaries=bounds) for name, (text, bounds) in HISTOGRAMS.items()
        }
        self._phase, self._loss = _labelled(Gauge, "phase"), _labelled(Gauge, "loss")
        self._groups, self._candidates = _labelled(Counter, "groups"), _labelled(Counter, "candidates")
        self._retries = _labelled(Counter, "retries")
        self._alarm, self._level = _labelled(Gauge, "alarm"), _labelled(Gauge, "alarm_level")
        self._seed()

    def _seed(self) -> None:
        for gauge in self._gauges.values():
            gauge.set(0.0)
        self.phase("starting")
        for part in LOSS_PARTS:
            self._loss.set(0.0, {"part": part})
        for alarm in ALARMS:
            self.level(alarm, 0.0, raised=False)
        for exit_ in LABELLED["groups"].labels["exit"]:
            self.group_left(str(exit_), 0)
        for outcome in LABELLED["candidates"].labels["outcome"]:
            self.candidate(str(outcome), 0)
        for role in LABELLED["retries"].labels["role"]:
            self.retried(role, 0)

    def set(self, name: str, value: float) -> None:
        self._gauges[name].set(value)

    def observe(self, name: str, value: float) -> None:
        self._histograms[name].observe(value)

    def phase(self, current: str) -> None:
        for phase in PHASES:
            self._phase.set(float(phase == current), {"phase": phase})

    def loss(self, part: str, value: float) -> None:
        self._loss.set(value, {"part": part})

    def level(self, alarm: AlarmName, level: float, raised: bool) -> None:
        self._level.set(level, {"alarm": alarm})
        self._alarm.set(float(raised), {"alarm": alarm})

    def group_left(self, exit_: str, number: int = 1) -> None:
        count(self._groups, number, {"exit": exit_})

    def candidate(self, outcome: str, number: int = 1) -> None:
        count(self._candidates, number, {"outcome": outcome})

    def retried(self, role: str, number: int = 1) -> None:
        count(self._retries, number, {"role": role})


def _labelled(kind: type[MetricT], name: str) -> MetricT:
    series = LABELLED[name]
    return kind(f"oars_{name}", series.description, tag_keys=tuple(series.labels))
