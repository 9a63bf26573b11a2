"""How fast the sampling policy follows the trained one: theta_old <- eta theta_old + (1 - eta) theta each step."""

from oars.config.alignment import OldPolicyConfig

_DELAYED_CEILING = 0.999  # DiffusionNFT's delayed schedule ends here, whatever the linear one's ceiling


def old_policy_eta(step: int, config: OldPolicyConfig) -> float:
    """eta after optimiser step `step` (from 1). DiffusionNFT's named schedules; `linear` is the default there."""
    if config.schedule == "copy":
        return 0.0
    if config.schedule == "linear":
        return min(config.slope * step, config.ceiling)
    return min(config.slope * max(step - config.delay, 0), _DELAYED_CEILING)
