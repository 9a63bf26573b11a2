"""Packing, drawing and the loss of the judge's training batches."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from compass_data import write_tiny_dataset
from hypothesis import given
from hypothesis import strategies as st

from oars.compass.data.dataset import read_groups
from oars.compass.miniature.judge_model import build_processor, build_tokenizer, judge_config, new_judge
from oars.compass.training.examples import (
    Batch,
    NoExamples,
    augmented,
    draw_batch,
    example_of,
    ladder_base,
    open_examples,
    pack,
)
from oars.compass.training.objective import Counts, JudgeObjective
from oars.config import BadConfig
from oars.config.judge_training import JudgeTrainingConfig, TargetConfig, load_training
from oars.deployment import deploy_path

PROFILES = ["train-scratch", "train-continue", "train-refresh", "train-ablation", "train-8b", "train-one-gpu"]
CONFIG = JudgeTrainingConfig(held_out_enhancers=("method_1",), candidates=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("data")
    write_tiny_dataset(directory, groups=12)
    return directory


@pytest.fixture(scope="module")
def packed(data, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "all"
    pack((example_of(group, CONFIG, {"method_0": "sharp"}) for group in read_groups(data)), path)
    return path


@pytest.fixture(scope="module")
def objective() -> JudgeObjective:
    tokenizer = build_tokenizer()
    model = new_judge(judge_config(tokenizer), 0)
    return JudgeObjective(
        model, build_processor(tokenizer), TargetConfig(fidelity_ranking_weight=1.0), trains_vision=True
    )


def test_what_is_packed_is_what_was_annotated(data, packed):
    examples, groups = open_examples(packed), list(read_groups(data))
    assert len(examples) == len(groups)
    for example, group in zip((examples[i] for i in range(len(examples))), groups, strict=True):
        kept = [k for k, name in enumerate(group.enhancers) if name != "method_1"]
        assert example.input_id == group.input_id
        assert np.array_equal(example.views[1:], group.sr[kept])
        assert example.quality == pytest.approx([group.q_lr, *group.q[kept]])
        assert example.fidelity == pytest.approx(group.fidelity[kept], nan_ok=True)
        assert list(example.explanations) == ["sharp", "", ""]


def test_a_group_of_held_out_enhancers_is_no_example(data):
    everything = JudgeTrainingConfig(held_out_enhancers=tuple(f"method_{k}" for k in range(4)))
    assert all(example_of(group, everything, {}) is None for group in read_groups(data))


def test_plain_labels_are_the_anchors(data):
    group = next(read_groups(data))
    plain = example_of(group, JudgeTrainingConfig(quality_label="anchor"), {})
    assert plain is not None and plain.quality[1:] == pytest.approx(group.anchor)


def test_a_batch_derives_from_its_seed_and_treats_a_group_alike(packed):
    examples = open_examples(packed)
    one, same, other = (draw_batch(examples, CONFIG, 4, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.views, same.views) and not np.array_equal(one.views, other.views)
    assert one.views.shape == (4, 3, 32, 32, 3) and one.fidelity.shape == (4, 2)


@given(seed=st.integers(0, 2**31))
def test_augmented_pictures_stay_alike_and_keep_what_differs(seed):
    """Shown twice, a picture is the same twice; a ramp keeps most of its 24 levels and its range, and black is even."""
    picture = np.zeros((6, 4, 3), np.uint8)
    picture[..., :] = np.linspace(0, 255, 24, dtype=np.uint8).reshape(6, 4, 1)
    first, second, flat = augmented(np.stack([picture, picture, 0 * picture]), np.random.default_rng(seed))
    assert np.array_equal(first, second) and (flat == flat[0, 0]).all()
    for channel, black in zip(first.reshape(-1, 3).T, flat[0, 0], strict=True):
        assert channel.min() == black and len(np.unique(channel)) >= 16 and np.ptp(channel) > 160


def test_windows_are_cut_where_asked_and_must_fit(packed):
    examples = open_examples(packed)
    assert draw_batch(examples, CONFIG.model_copy(update={"sides": (16,)}), 2, 0).views.shape[2:4] == (16, 16)
    with pytest.raises(NoExamples, match="64 px"):
        draw_batch(examples, CONFIG.model_copy(update={"sides": (64,)}), 2, 0)


def test_each_group_brings_a_ladder_of_its_truth_or_of_a_better_candidate(data, packed):
    examples, with_ladders = open_examples(packed), CONFIG.model_copy(update={"ladder_length": 3})
    one, same, without = (draw_batch(examples, config, 12, 5) for config in (with_ladders, with_ladders, CONFIG))
    assert one.ladders.shape == (12, 3, 32, 32, 3) and without.ladders.shape == (12, 0, 32, 32, 3)
    assert np.array_equal(one.ladders, same.ladders) and np.array_equal(one.views, without.views)
    of_a_candidate = []
    for views, quality, ladder in zip(one.views, one.quality[:, 1:], one.ladders, strict=True):
        better = np.flatnonzero(quality >= np.median(quality))
        of_a_candidate.append(any(np.array_equal(views[1 + k], ladder[0]) for k in better))
    assert any(of_a_candidate) and not all(of_a_candidate)


def test_a_ladder_starts_from_the_truth_or_from_a_candidate_where_there_is_none(data, packed):
    example, rng = open_examples(packed)[0], np.random.default_rng(0)
    truth = next(read_groups(data)).gt
    assert truth is not None and example.truth is not None and np.array_equal(example.truth, truth)
    seen = {ladder_base(example, rng).tobytes() for _ in range(40)}
    unpaired = {ladder_base(replace(example, truth=None), rng).tobytes() for _ in range(40)}
    assert seen == unpaired | {example.truth.tobytes()} and example.truth.tobytes() not in unpaired


def test_the_order_of_a_ladder_is_learnt(packed, objective):
    """The loss is least where the readings fall as told: a ladder taken backwards costs more once learnt."""
    batch = draw_batch(open_examples(packed), CONFIG.model_copy(update={"ladder_length": 4}), 4, 5)
    model = copy.deepcopy(objective)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(40):
        loss = model(batch, Counts.of(batch)) - model(without_ladders(batch), Counts.of(batch))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def without_ladders(batch: Batch) -> Batch:
    return replace(batch, ladders=batch.ladders[:, :0], margins=batch.margins[:, :0])


def test_a_batch_may_be_cut_into_parts(packed, objective):
    """The sum of the parts' losses and gradients is the whole's, whichever transitions lack F."""
    batch = draw_batch(open_examples(packed), CONFIG.model_copy(update={"ladder_length": 2}), 6, 3)
    assert np.isnan(batch.fidelity).any() and np.isfinite(batch.fidelity).any()
    whole, parts = (gradient(objective, batch, cuts) for cuts in ([range(6)], [[0], [1, 2, 3], [4, 5]]))
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    torch.testing.assert_close(parts[1], whole[1], rtol=1e-3, atol=1e-6)


def gradient(objective: JudgeObjective, batch: Batch, cuts) -> tuple[float, torch.Tensor]:
    objective.zero_grad()
    counts = Counts.of(batch)
    losses = [objective(batch.rows(list(cut)), counts) for cut in cuts]
    torch.stack(losses).sum().backward()
    return float(torch.stack(losses).sum().detach()), objective.model.lm_head.weight.grad.clone()


def test_an_explanation_is_learnt_after_the_score(packed, objective):
    batch = draw_batch(open_examples(packed), CONFIG, 4, 3)
    silent = replace(batch, explanations=np.full_like(batch.explanations, ""))
    assert (batch.explanations != "").any()
    with torch.no_grad():
        told, untold = (objective(one, Counts.of(one)) for one in (batch, silent))
    assert told > untold + 0.1


@pytest.mark.parametrize("profile", PROFILES)
def test_the_shipped_profiles_are_good(profile):
    assert load_training(deploy_path(f"compass/{profile}.yaml")).steps > 0


def test_a_bad_field_is_named(tmp_path):
    with pytest.raises(BadConfig, match=r"target\.kind"):
        load_training(deploy_path("compass/train-scratch.yaml"), ["target.kind=one_hot"])


def test_the_order_of_f_counts_where_every_candidate_has_a_label(packed, objective):
    """A group with an unlabelled candidate tells no order; the loss of another order is another."""
    batch = draw_batch(open_examples(packed), CONFIG, 6, 3)
    answer = torch.randn(batch.fidelity.size, 400, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    whole = np.isfinite(batch.fidelity).all(1)
    assert 0 < whole.mean() < 1
    labelled = np.repeat(whole, batch.fidelity.shape[1])
    losses = [
        objective._order_loss(rows, objective.prompts.tokens.fidelity, labels)
        for rows, labels in (
            (answer, batch.fidelity),
            (answer[labelled], batch.fidelity[whole]),
            (answer[labelled], batch.fidelity[whole][:, ::-1].copy()),
        )
    ]
    torch.testing.assert_close(losses[0], losses[1])
    assert losses[2] != losses[1]
