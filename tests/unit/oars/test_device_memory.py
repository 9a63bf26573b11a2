"""Memory per role: within a tenth of what was measured, and never more with more ranks."""

from dataclasses import replace

import pytest
from full_size import FULL
from hypothesis import given
from hypothesis import strategies as st

from oars.config import RunConfig, load_profile
from oars.config.judge_training import load_training
from oars.deployment import deploy_path
from oars.device_memory import Need, needs, phases

MEASURED = {"rollout worker": 58.45, "learner, RL": 44.56}
"""On one H100 with random weights, GB (benchmarks/results/full_size.json): what the worker holds between groups, and
the learner's peak at one point a pass."""
DECODED_TOGETHER = 67.33
"""The worker's peak when it decoded its four candidates at once."""
H100, ONE_GPU = 85.5, 150.7


def of(profile: str, *overrides: str) -> dict[str, Need]:
    config = load_profile(deploy_path(f"profiles/{profile}.yaml"), list(overrides))
    return {need.role: need for need in needs(phases(config, FULL))}


def test_it_is_what_was_measured() -> None:
    one_point = of("one-gpu", "optimiser.micro_batch=1")
    worker = one_point["rollout worker"]
    assert worker.total - worker.parts["activations"] == pytest.approx(MEASURED["rollout worker"], rel=0.1)
    assert one_point["learner, RL"].total == pytest.approx(MEASURED["learner, RL"], rel=0.1)


def test_candidates_are_decoded_one_by_one() -> None:
    """Three of four pictures' activations are gone, and more candidates at once cost no more of them."""
    worker = of("one-gpu")["rollout worker"]
    saved = DECODED_TOGETHER - MEASURED["rollout worker"] - worker.parts["activations"]
    assert saved == pytest.approx(3 * worker.parts["activations"], rel=0.1)
    assert of("one-gpu", "sampler.batch=12")["rollout worker"].total < DECODED_TOGETHER


def test_the_judges_weights_are_what_was_measured() -> None:
    assert of("one-gpu")["judge"].parts["weights"] == pytest.approx(17.63, rel=0.1)


def test_the_cold_starts_of_the_profiles_fit() -> None:
    assert of("paper")["learner, cold start"].total < H100
    assert of("paper")["learner, RL"].total < H100
    shared = of("one-gpu")
    assert shared["learner, cold start"].total + shared["judge"].total < ONE_GPU
    assert sum(shared[role].total for role in ("learner, RL", "rollout worker", "judge")) < ONE_GPU


def test_six_ranks_with_eight_points_a_pass_do_not_fit() -> None:
    six = of("paper", "learner.ranks=6", "stages.cold_start.optimiser.micro_batch=8")
    assert six["learner, cold start"].total > H100


def test_a_cold_start_that_is_not_made_takes_nothing() -> None:
    assert "learner, cold start" not in of("paper", "stages.cold_start.steps=0")
    assert "learner, cold start" not in of("paper", "stages.cold_start.weights=/sft")


@given(st.integers(1, 15), st.integers(0, 3), st.sampled_from(["all", "lora"]))
def test_a_rank_more_or_a_higher_stage_never_takes_more(ranks: int, stage: int, trained: str) -> None:
    def total(ranks: int, stage: int) -> float:
        cold = {"trained": trained, "zero_stage": stage}
        config = RunConfig.model_validate({"learner": {"ranks": ranks}, "stages": {"cold_start": cold}})
        need = needs(phases(config, FULL))[0]
        return need.total - need.parts["buckets"]

    assert total(ranks + 1, stage) <= total(ranks, stage)
    assert stage == 3 or total(ranks, stage + 1) <= total(ranks, stage)


def refresh(training: str, *overrides: str) -> Need:
    """Of `paper` with one of the shipped trainings."""
    asked = load_training(deploy_path(f"compass/{training}.yaml"), list(overrides))
    sizes = replace(FULL, refreshed=44_000_000 if asked.trained == "lora" else FULL.judge)
    *_, there, exchange = phases(load_profile(deploy_path("profiles/paper.yaml")), sizes, asked).items()
    assert (there[0], exchange[0]) == ("refresh", "exchange of the judge")
    assert [need.role for need in exchange[1]] == ["learner, RL", "rollout worker", "judge", "judge"]
    # What is there from RL on a GPU does not load again.
    assert [need.loading > 0 for need in there[1]] == [False, False, False, True]
    return there[1][-1]


def test_the_shipped_trainings_of_an_8b_judge_fit_where_they_say() -> None:
    assert 17 < refresh("train-one-gpu").total < 40  # bfloat16 weights and an adapter
    assert 17.5 < refresh("train-8b").total < 80  # an eighth of 16 bytes a parameter
    assert refresh("train-8b", "learner.ranks=1", "learner.zero_stage=0").total > 140


def test_a_refresh_without_a_gpu_holds_all_in_host_memory_and_with_one_what_it_reads() -> None:
    on_cpu = refresh("train-continue")
    assert on_cpu.gpus == 0 and on_cpu.loading == on_cpu.total > 140
    assert refresh("train-one-gpu").loading == pytest.approx(4 * FULL.judge / 1e9)


def test_more_shown_in_a_step_of_the_refresh_takes_more() -> None:
    plain, more = (refresh("train-one-gpu", f"micro_batch={count}").parts["activations"] for count in (1, 2))
    assert more == 2 * plain
    assert refresh("train-one-gpu", "learner.gradient_checkpointing=false").parts["activations"] > 4 * plain
    assert refresh("train-one-gpu", "sides=[256]").parts["activations"] == plain / 4


def test_a_second_picture_is_half_as_many_tokens_more() -> None:
    shown = ("generator.pre_restoration=x4plus", "generator.show_lr=true")
    one, two = of("one-gpu")["learner, RL"].parts, of("one-gpu", *shown)["learner, RL"].parts
    assert two["activations"] == pytest.approx(1.5 * one["activations"])
