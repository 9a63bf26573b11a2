"""`python -m benchmarks.reward_spread RUN`: how strong the signal of a run's own batches is, mean |2r - 1|, for each
spread that rewards can be measured in (`objective.optimality.spread`). Reads the run's ledger alone.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.result import Result, write_result
from oars.alignment.optimality import Rewards, optimalities, signal
from oars.alignment.stage import RL_STAGES
from oars.compass.outcome import Scored
from oars.config.alignment import OptimalityConfig, Spread
from services.run.ledger import Ledger


def batches(run: Path) -> dict[str, list[list[Rewards]]]:
    """Rewards of the groups of each optimiser step, by stage. Raises BadRun."""
    with Ledger.reading(run / "ledger.sqlite") as ledger:
        trained, ends, found = ledger.trained_after(0), 0, {}
        for stage in RL_STAGES:
            starts, ends = ends, ends + ledger.steps(stage.name)
            steps = [batch for batch in trained if starts < batch.step <= ends]
            found[stage.name] = [
                [np.array([o.reward for o in group.outcomes if isinstance(o, Scored)]) for group in batch.groups]
                for batch in steps
            ]
    return found


def signals(trained: Sequence[list[Rewards]]) -> dict[str, float]:
    """Mean |2r - 1| over batches, by spread."""
    return {
        spread: float(
            np.mean([signal(np.concatenate(optimalities(b, OptimalityConfig(spread=spread)))) for b in trained])
        )
        for spread in get_args(Spread)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run")
    found = {stage: trained for stage, trained in batches(parser.parse_args().run).items() if trained}
    stages = {stage: {"batches": len(trained), **signals(trained)} for stage, trained in found.items()}
    first = next(iter(stages.values()))
    unit = "mean |2r - 1| with the group's spread, in the first stage; baseline: with the batch's"
    outcome = Result(
        name="reward_spread", value=first["group"], unit=unit, baseline=first["batch"], details={"stages": stages}
    )
    print(write_result(outcome).read_text())


if __name__ == "__main__":
    main()
