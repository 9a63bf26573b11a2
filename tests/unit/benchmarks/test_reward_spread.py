"""Groups that differ far more among each other than within: the batch's spread hides what tells candidates apart."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.reward_spread import batches, signals
from oars.compass.outcome import Scored
from services.run.ledger import Ledger


def test_the_batchs_spread_drowns_the_signal_of_groups_that_differ() -> None:
    within = np.array([0.0, 0.1, 0.2, 0.3])
    alike, apart = [within, within + 0.01], [within, within + 2.0]
    assert signals([alike])["batch"] == pytest.approx(signals([alike])["group"], rel=0.05)
    found = signals([apart])
    assert found["batch"] < 0.15 * found["group"]
    assert found["within"] == pytest.approx(found["group"], rel=1e-3), "groups of one width"


def test_batches_are_those_that_each_stage_trained_on(tmp_path: Path) -> None:
    ledger = Ledger.drive(tmp_path / "ledger.sqlite")
    for ordinal, stage in enumerate(("fr_rl", "nr_rl")):
        group = f"group-{ordinal}"
        ledger.admit(group, ordinal, stage, ordinal, "photo", 1, 0)
        ledger.attempt(group, 0)
        ledger.sampled(group, 0, "rollout-0", 0, "digest", 8, 0.0, {})
        readings = {"fidelity": 0.5, "q_lr": 2.0, "q_sr": 3.0, "confidence": 1.0}
        ledger.scored(group, 0, [Scored(readings=readings, reward=ordinal + k) for k in (0.0, 0.5)], {"replica": "r"})
        ledger.leased(ordinal + 1, stage, {group: 0})
        ledger.stepped(ordinal + 1, {})
    ledger.close()
    found = {stage: [[list(r) for r in batch] for batch in trained] for stage, trained in batches(tmp_path).items()}
    assert found == {"fr_rl": [[[0.0, 0.5]]], "nr_rl": [[[1.0, 1.5]]]}
