"""A reward of one's own from COMPASS' readings.

reward: {function: docs.examples.faithful_gain.faithful_gain, parameters: {least: 0.9}}
"""


def faithful_gain(fidelity: float, q_lr: float, q_sr: float, least: float = 0.8) -> float:
    """The quality gained; what is less faithful than `least` pays for what it lacks, whatever it gained."""
    if fidelity < least:
        return fidelity - least
    return q_sr - q_lr
