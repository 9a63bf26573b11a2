"""A group counts only if it was sampled with the published adapter: whole, unchanged, and not an older one."""

from dataclasses import replace

import pytest
import torch

from oars.alignment.messages import PolicySnapshot, RolloutReceipt
from oars.generator.policy import AdapterMismatch
from services.control.policy_store import PolicyStore


def snapshot(version: int) -> PolicySnapshot:
    return PolicySnapshot(version, f"digest-{version}", {"a": torch.zeros(2, 3), "b": torch.zeros(4)})


def receipt(version: int, digest: str | None = None, bound: int = 2) -> RolloutReceipt:
    return RolloutReceipt("group", 0, "rollout-0", version, digest or f"digest-{version}", bound)


def store(versions: int = 2) -> PolicyStore:
    made = PolicyStore(put=lambda snapshot: snapshot)
    for version in range(versions):
        made.publish(snapshot(version))
    return made


def test_the_current_and_a_newer_version_than_ordered_are_accepted() -> None:
    s = store(2)
    s.check(receipt(1), oldest=1)
    s.check(receipt(1), oldest=0)
    assert (s.current.version, s.current.bytes, s.versions) == (1, 40, 2)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (receipt(0), "sampled with version 0, requested 1"),
        (receipt(1, digest="digest-0"), "version 1 has digest digest-0, published digest-1"),
        (receipt(7), "published None"),
        (receipt(1, bound=0), "0 of 2 adapter tensors are bound"),
    ],
)
def test_any_other_policy_stops_the_run(bad: RolloutReceipt, says: str) -> None:
    with pytest.raises(AdapterMismatch, match=says):
        store(2).check(bad, oldest=1)


def test_versions_rise_by_one() -> None:
    with pytest.raises(AdapterMismatch, match="expected 2"):
        store(2).publish(snapshot(3))
    with pytest.raises(AdapterMismatch, match="expected 2"):
        store(2).publish(snapshot(1))


def test_an_empty_adapter_is_no_version() -> None:
    with pytest.raises(AdapterMismatch, match="no tensors"):
        store(0).publish(replace(snapshot(0), tensors={}))


def test_nothing_is_current_before_the_first_version() -> None:
    with pytest.raises(LookupError):
        _ = store(0).current
