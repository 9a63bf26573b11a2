"""The published versions of the sampling policy, and the proof that a group was sampled with the one it claims.

The driver owns every snapshot (`put` is `ray.put` called by the driver), so a version outlives the learner that made
it. Versions rise by exactly one. Workers return (version, digest, bound tensors) with every group; `check` refuses a
group whose receipt does not match what was published: such a run trains on noise and must stop.
"""

from collections.abc import Callable

from oars.alignment.messages import PolicySnapshot, Published, RolloutReceipt
from oars.generator.policy import AdapterMismatch


class PolicyStore:
    """The newest version with its snapshot; older ones by digest only."""

    def __init__(self, put: Callable[[PolicySnapshot], object]) -> None:
        self._put = put
        self._current: Published | None = None
        self._digests: dict[int, str] = {}

    @property
    def current(self) -> Published:
        """Raises LookupError before the first version."""
        if self._current is None:
            raise LookupError("no policy version has been published yet")
        return self._current

    @property
    def versions(self) -> int:
        return len(self._digests)

    def publish(self, snapshot: PolicySnapshot) -> Published:
        """Raises AdapterMismatch for an empty snapshot, or one that is not the next version."""
        expected = self._current.version + 1 if self._current else snapshot.version
        if snapshot.version != expected:
            raise AdapterMismatch(f"published version {snapshot.version}, expected {expected}")
        if not snapshot.tensors:
            raise AdapterMismatch(f"version {snapshot.version} has no tensors")
        size = sum(tensor.numel() * tensor.element_size() for tensor in snapshot.tensors.values())
        self._digests[snapshot.version] = snapshot.digest
        self._current = Published(snapshot.version, snapshot.digest, self._put(snapshot), size, len(snapshot.tensors))
        return self._current

    def check(self, receipt: RolloutReceipt, oldest: int) -> None:
        """Raises AdapterMismatch unless the group was sampled with a published version, whole and unchanged, that is
        not older than `oldest` (the newest one when the group was requested)."""
        who = f"worker {receipt.worker}, group {receipt.group_id}"
        if receipt.version < oldest:
            raise AdapterMismatch(f"{who}: sampled with version {receipt.version}, requested {oldest}")
        published = self._digests.get(receipt.version)
        if receipt.digest != published:
            raise AdapterMismatch(
                f"{who}: version {receipt.version} has digest {receipt.digest}, published {published}"
            )
        if receipt.bound_tensors != self.current.tensors:
            raise AdapterMismatch(f"{who}: {receipt.bound_tensors} of {self.current.tensors} adapter tensors are bound")
