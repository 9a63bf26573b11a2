"""Pairwise comparisons of one group to one score each: Thurstone case V or Bradley-Terry, maximum a posteriori.

The model says p(i beats j) = link(s_i - s_j), the link being the normal or the logistic distribution function. With a
zero-mean Gaussian prior the objective is strictly concave, so Newton's method finds the one maximum. Both symmetric:
scores sum to zero, and swapping two pictures swaps their scores.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_ndtr

Values = NDArray[np.float64]
Model = Literal["thurstone", "bradley_terry"]
# d -> log link(d), its first and its second derivative.
Link = Callable[[Values], tuple[Values, Values, Values]]

_STEPS = 100
_TOLERANCE = 1e-10


def aggregate(wins: Values, model: Model, prior: float) -> Values:
    """Scores [K] from `wins` [K, K]: [i, j] is the probability that i looks better than j, [j, i] its complement
    (both 0 where they were not compared).

    The diagonal is ignored. `prior` is the precision of the prior, above 0.
    """
    link = _LINKS[model]
    weights = wins * (1 - np.eye(len(wins)))
    scores = np.zeros(len(wins))
    value, gradient, hessian = _posterior(scores, weights, link, prior)
    for _ in range(_STEPS):
        step = np.linalg.solve(hessian, gradient)
        length = 1.0
        while (new := _posterior(scores - length * step, weights, link, prior))[0] < value and length > 1e-8:
            length /= 2
        scores, (value, gradient, hessian) = scores - length * step, new
        if np.abs(gradient).max() < _TOLERANCE:
            break
    return scores


def to_unit(scores: Values) -> Values:
    """Min-max to [0, 1]; one half each if all are equal."""
    span = np.ptp(scores)
    return (scores - scores.min()) / span if span > 0 else np.full_like(scores, 0.5)


def _posterior(scores: Values, weights: Values, link: Link, prior: float) -> tuple[float, Values, Values]:
    """Log posterior, gradient, Hessian. Sums run over ordered pairs (i, j) with weight wins[i, j]."""
    log, slope, curve = link(scores[:, None] - scores[None, :])
    value = float((weights * log).sum() - prior / 2 * scores @ scores)
    pull, bend = weights * slope, weights * curve
    gradient = pull.sum(1) - pull.sum(0) - prior * scores
    hessian = np.diag(bend.sum(1) + bend.sum(0)) - bend - bend.T - prior * np.eye(len(scores))
    return value, gradient, hessian


def _normal(d: Values) -> tuple[Values, Values, Values]:
    log = log_ndtr(d)
    ratio = np.exp(-d * d / 2 - log) / np.sqrt(2 * np.pi)
    return log, ratio, -ratio * (d + ratio)


def _logistic(d: Values) -> tuple[Values, Values, Values]:
    rest = expit(-d)
    return log_expit(d), rest, -rest * (1 - rest)


_LINKS: dict[Model, Link] = {"thurstone": _normal, "bradley_terry": _logistic}
