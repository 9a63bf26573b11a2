"""What can never be placed on the one node of our own cluster is said at once."""

import pytest

from oars.config import JudgeConfig, RunConfig
from services.launch.placement import CannotPlace, Node, check_node, judge_need, run_needs, this_node

CPU = Node(0.0)


def config(**roles: object) -> RunConfig:
    return RunConfig.model_validate(roles)


def test_the_miniature_fits_on_any_machine() -> None:
    check_node(run_needs(RunConfig()), CPU)


@pytest.mark.parametrize("role", ["judge", "learner", "rollout"])
def test_a_device_that_is_not_there_is_one_line_naming_the_field(role: str) -> None:
    needs = run_needs(config(**{role: {"resources": {"num_gpus": 1}}}))
    with pytest.raises(CannotPlace, match=rf"^{role}\.resources\.num_gpus: 1 GPUs wanted together, .* has 0$"):
        check_node(needs, CPU)
    check_node(needs, Node(1.0))


def test_devices_are_wanted_together() -> None:
    shares = {"resources": {"num_gpus": 0.4}}
    needs = run_needs(config(judge=shares, learner=shares, rollout={**shares, "workers": 2}))
    with pytest.raises(CannotPlace, match=r"judge.*0.4, .*rollout.*0.8, .*learner.*0.4 GPUs"):
        check_node(needs, Node(1.0))
    check_node(needs, Node(2.0))


@pytest.mark.parametrize("role", ["judge", "learner", "rollout"])
def test_a_label_that_no_node_has_is_one_line(role: str) -> None:
    needs = run_needs(config(**{role: {"resources": {"label_selector": {"oars-pool": "nowhere"}}}}))
    with pytest.raises(CannotPlace, match=rf"^{role}\.resources\.label_selector: oars-pool=nowhere wanted"):
        check_node(needs, CPU)
    check_node(needs, Node(0.0, {"oars-pool": "nowhere"}))


@pytest.mark.parametrize("value", ["!nowhere", "in(a,b)", "!in(a,b)"])
def test_operators_are_left_to_ray(value: str) -> None:
    check_node(run_needs(config(judge={"resources": {"label_selector": {"oars-pool": value}}})), CPU)


def test_a_judge_elsewhere_needs_no_place_and_one_in_bundles_needs_theirs() -> None:
    wanted = {"judge": {"resources": {"num_gpus": 1}}, "reward": {"endpoint": "grpc://judge:9000"}}
    check_node(run_needs(config(**wanted)), CPU)
    bundles = JudgeConfig.model_validate({"placement_group_bundles": [{"GPU": 1}, {"GPU": 1}]})
    assert judge_need(bundles).gpus == 2.0


def test_labels_that_ray_gives_a_node_are_left_to_ray() -> None:
    check_node(run_needs(config(judge={"resources": {"label_selector": {"ray.io/accelerator-type": "H100"}}})), CPU)


def test_this_node_has_the_labels_that_ray_would_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_OVERRIDE_LABELS", '{"oars-pool": "judge"}')
    assert this_node().labels == {"oars-pool": "judge"}
