"""The fingerprint: a sample of fixed noise that must change when the policy does, and must not when it does not.

A digest of the installed tensors proves that they were copied. Only a forward pass proves that the model uses them: an
adapter that is bound but switched off, or scaled to nothing, or merged twice, has the right digest and a wrong
fingerprint. Pure; the worker computes the fingerprint, the pool compares.
"""

from dataclasses import dataclass, field

from oars.generator.policy import AdapterMismatch


@dataclass
class Fingerprints:
    """Fingerprint of each worker for each adapter digest; kept for the newest `kept` adapters of a worker."""

    kept: int = 4
    """Older ones do not come back: versions rise."""
    _seen: dict[str, dict[str, str]] = field(default_factory=dict)

    def check(self, worker: str, digest: str, fingerprint: str) -> None:
        """Raises AdapterMismatch if one adapter gives two fingerprints, or two adapters one."""
        seen = self._seen.setdefault(worker, {})
        if seen.get(digest, fingerprint) != fingerprint:
            raise AdapterMismatch(
                f"{worker}: adapter {digest} gave fingerprint {seen[digest]} before and {fingerprint} now"
            )
        alike = [other for other, given in seen.items() if given == fingerprint and other != digest]
        if alike:
            raise AdapterMismatch(
                f"{worker}: adapters {alike[0]} and {digest} give the same fingerprint {fingerprint}: "
                "the model does not use them"
            )
        seen[digest] = fingerprint
        for old in list(seen)[: -self.kept]:
            del seen[old]

    def forget(self, worker: str) -> None:
        """It was lost: where it comes back, other hardware may round differently."""
        self._seen.pop(worker, None)
