"""COMPASS: what its judge reads of a candidate, and the reward (paper, section on the process-aware reward)."""

from oars.compass.outcome import Failed, FailureReason, Judged
from oars.compass.score_tokens import Confidence

FIDELITY_RANGE = (0.0, 1.0)
QUALITY_RANGE = (1.0, 5.0)
GAMMA = 7.0
"""Exponent in the reward's gate, where the config gives none (published: 7)."""
READINGS = ("fidelity", "q_lr", "q_sr", "confidence")
"""F in [0, 1], Q_LR and Q_SR in [1, 5], and the confidence in [0, 1] (oars/compass/score_tokens.py)."""


def compass_reward(fidelity: float, q_lr: float, q_sr: float, gamma: float = GAMMA) -> float:
    """R = F * Q_LR + F^(Q_LR / gamma) * (Q_SR - Q_LR), F in [0, 1], Q in [1, 5].

    A good input (high Q_LR) punishes lost fidelity hard; a poor one leaves room for enhancement. F = 1 gives Q_SR;
    returning the input itself (F = 1, Q_SR = Q_LR) gives Q_LR.
    """
    return fidelity * q_lr + fidelity ** (q_lr / gamma) * (q_sr - q_lr)


def quality_gain(q_lr: float, q_sr: float) -> float:
    """Q_SR - Q_LR alone, which the paper shows to be hacked (deploy/experiments/delta-quality.yaml)."""
    return q_sr - q_lr


def static_sum(fidelity: float, q_sr: float, fidelity_weight: float = 4.0) -> float:
    """fidelity_weight * F + Q_SR, whatever the input: the same price for fidelity everywhere (deploy/experiments/
    static-sum.yaml; ours). With 4, both terms range over 4."""
    return fidelity_weight * fidelity + q_sr


def judged(fidelity: float, q_lr: float, q_sr: float, confidence: Confidence, min_confidence: float) -> Judged | Failed:
    """The judge's answer as readings, or as the failure that it is. NaN fails every comparison below."""
    low, high = FIDELITY_RANGE
    q_low, q_high = QUALITY_RANGE
    if not (low <= fidelity <= high and q_low <= q_lr <= q_high and q_low <= q_sr <= q_high):
        return Failed(reason=FailureReason.NON_FINITE, detail=f"F={fidelity} Q_LR={q_lr} Q_SR={q_sr}")
    share = confidence.share
    if not share >= min_confidence:
        detail = f"{share:.3f} of the probability is on {confidence.of}, wanted {min_confidence}"
        return Failed(reason=FailureReason.LOW_CONFIDENCE, detail=detail)
    return Judged(readings=dict(zip(READINGS, (fidelity, q_lr, q_sr, min(share, 1.0)), strict=True)))
