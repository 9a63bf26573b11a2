"""Faults inflicted on the subject, and the moments at which they count as noticed and as recovered.

Noticed: the log, Serve, or the harness (for the driver, whose death its own log cannot tell) says so. Working: the role
that was killed has done a piece of work that began after its death: a group sampled by that worker, a step of the new
learner ranks, a group scored by another replica, a step of the resumed driver.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ray import serve

from benchmarks.chaos.subject import Missed, Subject, compass_is_whole, redeploy
from benchmarks.descendants import descendants

# Longer than any promise: what takes longer is reported as missed.
PATIENCE_S = 300.0
ENGINE, REPLICA = "oars:compass::EngineCore", "ServeReplica:compass"


@dataclass(frozen=True)
class Outcome:
    """Seconds from the kill; None is never."""

    fault: str
    noticed_s: float | None
    working_s: float | None
    remark: str = ""
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 1))
    """The machine's load average over the last minute: seconds mean little on a busy machine."""


def rollout(subject: Subject) -> Outcome:
    at = _kill("oars:rollout-0")
    again = "SELECT MIN(s.at) FROM samples s JOIN attempts a USING (group_id, attempt) WHERE a.at > ?"
    return _watch(
        subject, "rollout actor", at, lambda: subject.event("attempt_failed", at), lambda: subject.value(again, at)
    )


def learner(subject: Subject) -> Outcome:
    at = _kill("oars:learner-0")

    def working() -> float | None:
        up = subject.event("learner_up", at)
        return None if up is None else subject.step_after(up)

    return _watch(subject, "learner rank", at, lambda: subject.event("learner_lost", at), working)


def replica(subject: Subject) -> Outcome:
    return _reward(subject, "Serve replica", lambda: _kill(REPLICA))


def engine(subject: Subject) -> Outcome:
    return _reward(subject, "vLLM engine process", lambda: _kill(ENGINE))


def reward_app(subject: Subject, away_s: float = 60.0) -> Outcome:
    """The whole application is deleted, and deployed again a minute later; working is counted from then."""

    def delete() -> float:
        at = time.time()
        serve.delete(subject.config.reward.app)
        return at

    def back() -> None:
        time.sleep(away_s)
        redeploy(subject.config)

    at = delete()
    restoring = threading.Thread(target=back)
    restoring.start()
    outcome = _reward(subject, f"reward app away for {away_s:.0f} s", lambda: at)
    restoring.join()
    if outcome.working_s is None:
        return outcome
    return Outcome(
        outcome.fault, outcome.noticed_s, outcome.working_s - away_s, "working: since its redeployment began"
    )


def driver(subject: Subject) -> Outcome:
    at = time.time()
    subject.driver.kill()
    subject.driver.wait()
    gone = time.time()
    subject.resume()
    return _watch(subject, "driver", at, lambda: gone, lambda: subject.step_after(gone))


# Longer than a group's deadline, and than Serve's health check.
_STOPPED_S = 90.0


def stopped_rollout(subject: Subject) -> Outcome:
    """Its group's deadline passes; the worker is given up, restarted, and samples again."""
    at = _kill("oars:rollout-0", signal.SIGSTOP)
    again = "SELECT MIN(s.at) FROM samples s JOIN attempts a USING (group_id, attempt) WHERE a.at > ?"
    return _watch(
        subject,
        "rollout actor stopped",
        at,
        lambda: subject.event("attempt_failed", at),
        lambda: subject.value(again, at),
    )


def stopped_replica(subject: Subject) -> Outcome:
    return _reward(subject, "Serve replica stopped", lambda: _kill(REPLICA, signal.SIGSTOP))


def stopped_engine(subject: Subject) -> Outcome:
    return _reward(subject, "vLLM engine process stopped", lambda: _kill(ENGINE, signal.SIGSTOP))


def stopped_learner(subject: Subject) -> Outcome:
    """A step that takes longer than `control.step_deadline_s` ends the run, in one line; a resume goes on."""
    at = _kill("oars:learner-0", signal.SIGSTOP)
    code = subject.driver.wait(PATIENCE_S)
    gone = time.time()
    subject.resume()
    outcome = _watch(subject, "learner rank stopped", at, lambda: gone, lambda: subject.step_after(gone))
    return replace(outcome, remark=f"exit code {code}; {outcome.remark}".rstrip("; "))


def stopped_driver(subject: Subject) -> Outcome:
    """Nobody can take the run from it meanwhile; it goes on by itself. Noticed by the harness."""
    at = time.time()
    subject.driver.send_signal(signal.SIGSTOP)
    time.sleep(_STOPPED_S)
    subject.driver.send_signal(signal.SIGCONT)
    on = time.time()
    return _watch(subject, f"driver stopped for {_STOPPED_S:.0f} s", at, lambda: at, lambda: subject.step_after(on))


KILLS: dict[str, Callable[[Subject], Outcome]] = {
    "rollout": rollout,
    "replica": replica,
    "engine": engine,
    "learner": learner,
    "driver": driver,
    "reward_app": reward_app,
}
FAULTS = KILLS | {
    "stopped_rollout": stopped_rollout,
    "stopped_replica": stopped_replica,
    "stopped_engine": stopped_engine,
    "stopped_learner": stopped_learner,
    "stopped_driver": stopped_driver,
}


def _kill(title: str, number: signal.Signals = signal.SIGKILL) -> float:
    """Send one process with this title a signal; when."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := descendants(title)):
        if time.monotonic() > deadline:
            running = sorted({process.name() for process in descendants()})
            raise Missed(f"no process {title} in {PATIENCE_S:.0f} s; there run {running}")
        time.sleep(0.2)
    at = time.time()
    os.kill(random.choice(found).pid, number)
    return at


def _reward(subject: Subject, name: str, strike: Callable[[], float]) -> Outcome:
    last = subject.value("SELECT provenance ->> 'replica' FROM scorings ORDER BY rowid DESC")
    at = strike()
    broken: list[float] = []

    def noticed() -> float | None:
        if not broken and not compass_is_whole(subject.config):
            broken.append(time.time())
        return min([*broken, *filter(None, [subject.event("score_attempt_failed", at)])], default=None)

    query = "SELECT MIN(at) FROM scorings WHERE at > ? AND provenance ->> 'replica' != ?"
    return _watch(subject, name, at, noticed, lambda: subject.value(query, at, last))


def _watch(
    subject: Subject,
    name: str,
    at: float,
    noticed: Callable[[], float | None],
    working: Callable[[], float | None],
) -> Outcome:
    """Both looked for at once: work can go on before its interruption is in the log."""
    seen: dict[str, float] = {}

    def both() -> bool | None:
        for what, look in (("noticed", noticed), ("working", working)):
            if what not in seen and (moment := look()) is not None:
                seen[what] = moment - at
        return True if len(seen) == 2 else None

    remark = ""
    try:
        subject.until(name, both, PATIENCE_S)
    except Missed as error:
        remark = str(error)
    return Outcome(name, seen.get("noticed"), seen.get("working"), remark)
