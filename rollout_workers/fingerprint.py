"""The canary: a sample of fixed noise that must change when the policy does, and must not when it does not.

A digest of the installed tensors proves that they were copied. Only a forward pass proves that the model uses them: an
adapter that is bound but switched off, or scaled to nothing, or merged twice, has the right digest and a wrong canary.
Pure; the worker computes the canary, the pool compares.
"""

from dataclasses import dataclass, field

from oars.generator.policy import AdapterMismatch


@dataclass
class Canaries:
    """What each worker's canary was for each adapter digest; kept for the newest `kept` adapters of a worker."""

    kept: int = 4
    """Older ones do not come back: versions rise."""
    _seen: dict[str, dict[str, str]] = field(default_factory=dict)

    def check(self, worker: str, digest: str, canary: str) -> None:
        """Raises AdapterMismatch if the same adapter sang differently, or another one the same."""
        seen = self._seen.setdefault(worker, {})
        if seen.get(digest, canary) != canary:
            raise AdapterMismatch(f"{worker}: adapter {digest} gave canary {seen[digest]} before and {canary} now")
        alike = [other for other, sung in seen.items() if sung == canary and other != digest]
        if alike:
            raise AdapterMismatch(
                f"{worker}: adapters {alike[0]} and {digest} give the same canary {canary}: the model does not use them"
            )
        seen[digest] = canary
        for old in list(seen)[: -self.kept]:
            del seen[old]

    def forget(self, worker: str) -> None:
        """It was lost: where it comes back, other hardware may round differently."""
        self._seen.pop(worker, None)
