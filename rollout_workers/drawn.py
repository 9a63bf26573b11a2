"""The candidates of a group, and what is kept of the way to them: for Flow-GRPO each step that carried noise.

A `Recorder` sees every velocity of a group's sampling: batch after batch, and in each batch step after step.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from oars.alignment.flow_grpo import step_noise


@dataclass(frozen=True)
class Drawn:
    """K candidates, float32."""

    x0: Tensor
    """[K, N, C]"""
    velocity_norm: float
    """Root mean square of all velocities that led to them."""
    x_t: Tensor | None
    """[K, T, N, C] on the CPU: where the steps with noise began; None without any."""
    v: Tensor | None
    """[K, T, N, C] on the CPU: the velocities there."""


@dataclass
class Recorder:
    """Keeps of each batch the first `noisy` of its `steps` steps."""

    steps: int
    noisy: int
    _squares: list[Tensor] = field(default_factory=list)
    _begun: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def saw(self, x: Tensor, v: Tensor) -> Tensor:
        """One step of one batch, at x [B, N, C] with velocity v; returns v."""
        if len(self._squares) % self.steps < self.noisy:
            self._begun.append((x.cpu(), v.cpu()))
        self._squares.append(v.square().flatten(1).mean(1))
        return v

    def drawn(self, x0: list[Tensor]) -> Drawn:
        """All of the group, from its batches' x_0."""
        norm = torch.cat(self._squares).mean().sqrt().item()
        if not self.noisy:
            return Drawn(torch.cat(x0), norm, None, None)
        x_t, v = (self._stacked([step[part] for step in self._begun]) for part in (0, 1))
        return Drawn(torch.cat(x0), norm, x_t, v)

    def _stacked(self, steps: list[Tensor]) -> Tensor:
        """[K, T, N, C]"""
        batches = [steps[at : at + self.noisy] for at in range(0, len(steps), self.noisy)]
        return torch.cat([torch.stack(batch, 1) for batch in batches])


def step_noises(shape: tuple[int, ...], seed: int, candidates: int, steps: int) -> Tensor:
    """[K, T, *shape]: the noise of all candidates' steps that carry any; T may be 0."""
    drawn = torch.empty(candidates, steps, *shape)
    for k in range(candidates):
        for j in range(steps):
            drawn[k, j] = step_noise(shape, seed, k, j)
    return drawn
