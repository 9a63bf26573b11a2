"""Roles of a running alignment: killed (kill -9), taken away, or stopped (SIGSTOP) for longer than their deadline."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from ray import serve

from benchmarks.chaos.subject import Missed, Subject, compass_is_whole, redeploy
from benchmarks.chaos.watching import PATIENCE_S, Fault, Outcome, ended, watch, watch_resumed
from benchmarks.descendants import descendants

ENGINE, REPLICA = "oars:compass::EngineCore", "ServeReplica:compass"


def rollout(subject: Subject) -> Outcome:
    at = _kill("oars:rollout-0")
    again = "SELECT MIN(s.at) FROM samples s JOIN attempts a USING (group_id, attempt) WHERE a.at > ?"
    return watch(
        subject, "rollout actor", at, lambda: subject.event("attempt_failed", at), lambda: subject.value(again, at)
    )


def learner(subject: Subject) -> Outcome:
    at = _kill("oars:learner-0")

    def working() -> float | None:
        up = subject.event("learner_up", at)
        return None if up is None else subject.step_after(up)

    return watch(subject, "learner rank", at, lambda: subject.event("learner_lost", at), working)


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
    return replace(outcome, working_s=outcome.working_s - away_s, remark="working: since its redeployment began")


def driver(subject: Subject) -> Outcome:
    at = time.time()
    return watch_resumed(subject, "driver", at, subject.kill(), said="")


# Longer than a group's deadline, and than Serve's health check.
_STOPPED_S = 90.0


def stopped_rollout(subject: Subject) -> Outcome:
    """Its group's deadline passes; the worker is given up, restarted, and samples again."""
    at = _kill("oars:rollout-0", signal.SIGSTOP)
    again = "SELECT MIN(s.at) FROM samples s JOIN attempts a USING (group_id, attempt) WHERE a.at > ?"
    return watch(
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
    gone, said = ended(subject)
    return watch_resumed(subject, "learner rank stopped", at, gone, said)


def stopped_driver(subject: Subject) -> Outcome:
    """Nobody can take the run from it meanwhile; it goes on by itself. Noticed by the harness."""
    at = time.time()
    subject.driver.send_signal(signal.SIGSTOP)
    time.sleep(_STOPPED_S)
    subject.driver.send_signal(signal.SIGCONT)
    on = time.time()
    return watch(subject, f"driver stopped for {_STOPPED_S:.0f} s", at, lambda: at, lambda: subject.step_after(on), "")


KILLS: dict[str, Fault] = {
    "rollout": rollout,
    "replica": replica,
    "engine": engine,
    "learner": learner,
    "driver": driver,
    "reward_app": reward_app,
}
STOPS: dict[str, Fault] = {
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
    return watch(subject, name, at, noticed, lambda: subject.value(query, at, last))
