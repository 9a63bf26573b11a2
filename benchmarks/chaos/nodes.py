"""Faults of the cluster's second node, where the rollout workers are: it is lost, or cannot be reached for a while."""

import time

from benchmarks.chaos.subject import Subject
from benchmarks.chaos.watching import Fault, Outcome, watch

# Longer than the cluster waits for a sign of life of a node.
_CUT_S = 90.0


def lost(subject: Subject) -> Outcome:
    """kill -9 of all its processes; what its object store held is gone. Another node takes its place at once."""
    at = time.time()
    subject.world.far.kill()
    subject.world.far.start()
    return _watch(subject, "node with its object store", at)


def unreachable(subject: Subject) -> Outcome:
    """The link is cut and mended; a node that the cluster has given up meanwhile is replaced."""
    at, world = time.time(), subject.world
    world.link.cut()
    time.sleep(_CUT_S)
    world.link.mend()
    if given_up := not world.far.alive:
        world.far.kill()
        world.far.start()
    remark = "the node was given up and replaced" if given_up else "the node is still a member"
    return _watch(subject, f"link down for {_CUT_S:.0f} s", at, remark)


def _watch(subject: Subject, name: str, at: float, remark: str = "") -> Outcome:
    again = "SELECT MIN(s.at) FROM samples s JOIN attempts a USING (group_id, attempt) WHERE a.at > ?"
    return watch(
        subject,
        name,
        at,
        lambda: subject.event("attempt_failed", at),
        lambda: subject.value(again, at),
        remark=remark,
    )


NODES: dict[str, Fault] = {"node_lost": lost, "link_cut": unreachable}
