"""The learning rate over the steps of a phase."""


def rate(step: int, steps: int, floor: float, warmup: int = 0) -> float:
    """Share in [0, 1] of the peak rate, linear (ours): up over `warmup` steps, then down to 0, not below `floor`.

    A step's noise stays in the weights that it moves; the smaller the last ones, the less of it.
    """
    return min((step + 1) / (warmup + 1), max(1.0 - step / max(steps, 1), floor))
