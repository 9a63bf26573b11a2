"""`python -m benchmarks.sharpness --photos FOLDER`: how sharp do reward and metrics want a restored picture?

What the pre-restorer makes of train crops is blurred or sharpened; no model draws. A run that sharpens beyond what
ColorVideoVDP and PSNR bear follows its reward, not the eye: a lower `reward.parameters.gamma` brings them together. No
evaluation photo is looked at.
"""

import numpy as np

from benchmarks.result import Result, write_result
from benchmarks.scoring import Table
from benchmarks.styles import STRENGTHS, asked, measured_styles
from oars.compass.formula import compass_reward
from oars.generator.miniature.styles import Style

AMOUNTS = (-0.75, -0.5, -0.3, -0.1, 0.1, 0.3, 0.6)
"""`Style.sharpness`: amounts of an unsharp mask; below 0 the picture is blurred."""
GAMMAS = (7.0, 2.0, 1.0)
SHOWN = ("f", "q_sr", "stlpips", "cvvdp", "psnr")


def main() -> None:
    given = asked(__doc__)
    styles = [[Style(boldness=1.0, trust=0.0, sharpness=amount) for amount in AMOUNTS]] * given.crops
    curves = [with_rewards(measured_styles(given.profile, strength, styles)) for strength in STRENGTHS]
    rows = {name: np.mean([curve[name] for curve in curves], axis=(0, 1)).tolist() for name in curves[0]}
    print("sharpness", *AMOUNTS)
    print(*(f"{name:>14} {[round(value, 3) for value in row]}" for name, row in rows.items()), sep="\n")
    best = AMOUNTS[int(np.argmax(rows["gamma 1"]))]
    outcome = Result(
        name="sharpness", value=best, unit="sharpness that gamma 1 wants", details={"amounts": AMOUNTS, **rows}
    )
    print(write_result(outcome, given.results))


def with_rewards(table: Table) -> Table:
    """What is shown of `table`, and FR-RL's reward for each gamma, [crops, AMOUNTS]."""
    reward = np.vectorize(compass_reward)
    by_gamma = {f"gamma {gamma:g}": reward(table["f"], table["q_lr"], table["q_sr"], gamma) for gamma in GAMMAS}
    return {name: table[name] for name in SHOWN} | by_gamma


if __name__ == "__main__":
    main()
