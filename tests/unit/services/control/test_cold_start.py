"""SFT weights that were brought along: no step is made, and what they lack is said before a cluster starts."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
from fake_roles import Silent

from oars.config import RunConfig
from oars.generator.policy import load_transformer
from oars.miniature import MissingModel, miniature_path
from services.control.cold_start import cold_start
from services.control.resilient_learner import ResilientLearner
from services.control.source import InputSource
from services.launch.preflight import check_inputs
from services.run.ledger import Ledger
from services.run.run import Run
from services.run.stopping import StopRequest
from services.run.telemetry import Telemetry
from services.run.watchdog import Watchdog

# Neither may be asked for anything.
NO_SOURCE, NO_LEARNER = cast(InputSource, None), cast(ResilientLearner, None)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return shutil.copytree(miniature_path("generator") / "transformer", tmp_path / "mine")


def config_with(weights: Path, **stages: Any) -> RunConfig:
    cold_start = {"weights": str(weights)}
    return RunConfig.model_validate({"stages": {"cold_start": cold_start, **stages}, "data": {"crop": 96}})


def stage(config: RunConfig, directory: Path) -> tuple[Path | None, Run]:
    directory.mkdir(exist_ok=True)
    ledger, telemetry = Ledger.drive(directory / "ledger.sqlite"), Telemetry(directory, "run", None)
    run = Run("run", directory, config, ledger, telemetry, Watchdog(60), StopRequest(), Silent())
    try:
        return asyncio.run(cold_start(run, NO_SOURCE, NO_LEARNER)), run
    finally:
        telemetry.close()
        ledger.close()


def test_weights_that_were_brought_take_the_place_of_the_stage(tmp_path: Path, weights: Path) -> None:
    config = config_with(weights, rl_on="sft")
    for _ in range(2):  # and again when the run is resumed
        path, run = stage(config, tmp_path / "run")
        assert path == run.sft and path.resolve() == weights
        assert [(s.name, s.steps) for s in run.stages] == [("cold_start", 0)]
    assert run.rl_weights == path
    assert load_transformer(config.generator, path).config.num_layers > 0


def test_weights_that_have_moved_are_linked_anew(tmp_path: Path, weights: Path) -> None:
    stage(config_with(weights), tmp_path / "run")
    moved = weights.rename(tmp_path / "moved")
    path, _ = stage(config_with(moved), tmp_path / "run")
    assert path is not None and path.resolve() == moved


@pytest.mark.parametrize("check", [check_inputs, lambda config: stage(config, config.stages.cold_start.weights.parent)])
def test_what_is_missing_is_one_line_with_the_field(weights: Path, check: Any) -> None:
    file = weights / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(MissingModel, match=r"^stages\.cold_start\.weights: .*copy it again"):
        check(config_with(weights))
    shutil.rmtree(weights)
    with pytest.raises(MissingModel, match=r"^stages\.cold_start\.weights: .*config\.json: missing"):
        check(config_with(weights))


def test_weights_of_another_model_are_refused(weights: Path) -> None:
    config = json.loads((weights / "config.json").read_text())
    model = load_transformer(RunConfig().generator, weights)
    other = type(model).from_config(config | {"num_layers": config["num_layers"] + 1})
    other.save_pretrained(weights)
    with pytest.raises(MissingModel, match=r"is no transformer of .* tensors differ, transformer_blocks\."):
        check_inputs(config_with(weights))
