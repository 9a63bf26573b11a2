"""Schedules by which the sampling policy follows the trained one: theta_old <- eta theta_old + (1 - eta) theta each
step."""

from oars.config.alignment import OldPolicyConfig

# DiffusionNFT's: growth of eta per step, and where the delayed schedule ends, whatever the linear one's ceiling.
_SLOPES = {"linear": 0.001, "delayed_linear": 0.0075}
_DELAYED_CEILING = 0.999


def old_policy_eta(step: int, config: OldPolicyConfig) -> float:
    """eta after optimiser step `step` (from 1). DiffusionNFT's named schedules; `linear` is the default there."""
    if config.schedule == "copy":
        return 0.0
    slope = _SLOPES[config.schedule] if config.slope is None else config.slope
    if config.schedule == "linear":
        return min(slope * step, config.ceiling)
    return min(slope * max(step - config.delay, 0), _DELAYED_CEILING)


def old_is_current(steps: int, config: OldPolicyConfig) -> bool:
    """Whether theta_old is theta after `steps` optimiser steps; both adapters start alike."""
    return steps == 0 or old_policy_eta(steps, config) == 0.0
