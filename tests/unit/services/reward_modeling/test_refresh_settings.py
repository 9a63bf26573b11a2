"""What a refresh takes of its run's config, and what it needs beside the run's other roles."""

from inspect import signature
from pathlib import Path

import pytest

from oars.compass.formula import GAMMA, compass_reward
from oars.config import BadConfig, RunConfig
from oars.model_files import MissingModel
from services.launch.cluster import needed_cpus
from services.launch.placement import CannotPlace, Node, check_node, run_needs
from services.reward_modeling.refresh_settings import check_refresh, gamma_of, refresh_training, stage_training


def config(training: Path | None = None, **changes: object) -> RunConfig:
    return RunConfig.model_validate({"stages": {"refresh": {"training": training}}} | changes)


def test_the_training_begins_with_the_runs_judge() -> None:
    assert refresh_training(config(judge={"path": "/models/judge"}).judge, None, ["steps=3"]).init == "/models/judge"
    assert stage_training(RunConfig()) is None


def test_gamma_is_that_of_the_runs_reward() -> None:
    assert gamma_of(RunConfig()) == GAMMA == signature(compass_reward).parameters["gamma"].default
    assert gamma_of(config(reward={"parameters": {"gamma": 2.0}})) == 2.0


def test_the_ranks_and_those_who_measure_are_needed_beside_the_other_roles(tmp_path: Path) -> None:
    training = tmp_path / "training.yaml"
    training.write_text("learner: {ranks: 3}")
    assert needed_cpus(config(training)) == needed_cpus(RunConfig()) + 3 + 1 + 2


def test_a_device_that_the_training_misses_is_one_line_naming_the_field(tmp_path: Path) -> None:
    training = tmp_path / "training.yaml"
    training.write_text("learner: {resources: {num_gpus: 1}}")
    needs = run_needs(config(training))
    with pytest.raises(CannotPlace, match=r"^stages\.refresh: learner\.resources\.num_gpus: 1 GPUs wanted .* has 0$"):
        check_node(needs, Node(0.0))
    check_node(needs, Node(1.0))


def test_a_training_or_a_judge_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"^stages\.refresh\.training: .*nowhere\.yaml: cannot be read"):
        check_refresh(config(tmp_path / "nowhere.yaml"))
    with pytest.raises(MissingModel, match="nowhere"):
        check_refresh(config(judge={"path": str(tmp_path / "nowhere")}))
    check_refresh(config())
    check_refresh(RunConfig())
