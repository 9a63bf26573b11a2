"""The stages of annotation: what is fitted, what each stage says, and how a whole data set comes out."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from compass_data import curated_groups, write_tiny_dataset

from oars.compass.annotation.evidence import Measured, Scale, fit_scale, predicted_quality
from oars.compass.annotation.fidelity_labels import fit_fidelity
from oars.compass.annotation.labels import Errors
from oars.compass.annotation.measurements import measure_group
from oars.compass.annotation.stages import anchor_rows, answered, comparison_rows, label, pairs, win_matrix
from oars.compass.data.dataset import BadDataset, read_groups, read_manifest
from oars.compass.data.tables import LR, METRICS
from oars.config.annotation import AnnotationConfig
from oars.config.base import BadConfig
from oars.metrics.dists import dists_available, dists_batch
from oars.metrics.perceptual import MissingWeights
from services.reward_modeling.annotation import Annotation, measure_shard
from services.run.progress import Lines

NAMES = (LR, "a", "b", "c", "d")


def made_up(photos: int = 6, inputs: int = 4, seed: int = 0) -> list[Measured]:
    """Groups whose features tell the errors up to a little noise; every fourth has no GT."""
    rng = np.random.default_rng(seed)
    groups = []
    for index in range(photos * inputs):
        error = rng.uniform(0.02, 1, len(NAMES)).astype(np.float32)
        features = np.stack([error, error**2, rng.normal(size=len(NAMES)) * 0.1], 1).astype(np.float64)
        errors = Errors(error * 0.7, error * 0.5, error * 9, 10 - 5 * error, error * 0.7)
        groups.append(
            Measured(
                input_id=f"{index:03d}",
                photo=f"photo{index % photos}",
                split="evaluation" if index % photos == 0 else "train",
                enhancers=NAMES,
                features=features,
                errors=None if index % 4 == 3 else errors,
                dists=None,
                metrics={name: np.full(len(NAMES), np.nan) for name in METRICS},
            )
        )
    return groups


@pytest.fixture(scope="module")
def scale() -> Scale:
    return fit_scale(made_up(), (1.0, 0.5))


def test_anchors_fall_with_the_errors_and_are_predicted_where_nothing_was_measured(scale: Scale) -> None:
    for group in made_up(seed=1):
        rows = anchor_rows(group, scale, "measured")
        assert {row["anchor_source"] for row in rows} == {"predicted" if group.errors is None else "measured"}
        assert all(1 <= row["anchor"] <= 5 for row in rows) and [row["enhancer"] for row in rows] == list(NAMES)
        if group.errors is not None:
            order = np.argsort(group.errors.stlpips)
            assert (np.diff([rows[i]["anchor"] for i in order]) <= 1e-6).all()
            assert anchor_rows(group, scale, "predicted")[0]["anchor_source"] == "predicted"


def test_predictions_never_come_from_a_model_that_saw_the_photo(scale: Scale) -> None:
    assert scale.level.correlation > 0.95, "the features tell the errors"
    assert set(scale.level.fold_of) == {f"photo{i}" for i in range(1, 6)}, "evaluation photos are not fitted on"
    [group] = [g for g in made_up() if g.input_id == "001"]
    own = scale.level.parts[scale.level.fold_of[group.photo]]
    z = scale.level.components.transform(group.features)
    assert np.allclose(predicted_quality(group, scale), np.clip(own.predict(z), 1, 5))


def test_all_pairs_are_compared_with_complementary_probabilities(scale: Scale) -> None:
    for group in made_up(seed=2)[:4]:
        rows = comparison_rows(group, scale)
        assert [(row["first"], row["second"]) for row in rows] == list(combinations("abcd", 2)) == pairs(NAMES)
        wins = win_matrix("abcd", rows)
        assert np.allclose(wins + wins.T, 1 - np.eye(4))
        if group.errors is not None:
            better = group.errors.stlpips[1:, None] < group.errors.stlpips[None, 1:]
            assert ((wins > 0.5) == better)[~np.eye(4, dtype=bool)].all()


def test_a_model_s_answers_stand_where_it_gave_any(scale: Scale) -> None:
    rows = anchor_rows(made_up()[0], scale, "predicted")
    told = answered(
        rows,
        [{"input_id": "000", "enhancer": "b", "value": 3.25}, {"input_id": "000", "enhancer": "c", "value": None}],
        "anchor",
        "anchor_source",
    )
    assert told[2] == rows[2] | {"anchor": 3.25, "anchor_source": "vlm"}
    assert [told[i] for i in (0, 1, 3, 4)] == [rows[i] for i in (0, 1, 3, 4)]


def test_labels_join_ranks_anchors_and_fidelity(scale: Scale) -> None:
    config, fidelity = AnnotationConfig(), fit_fidelity(made_up(), scale.labels, use_dists=False)
    for group in made_up(seed=3):
        anchors = {row["enhancer"]: row["anchor"] for row in anchor_rows(group, scale, "measured")}
        made = label(group, anchors, comparison_rows(group, scale), fidelity.of(group), config, {})
        assert [row["enhancer"] for row in made.labels] == list(NAMES) and made.labels[0]["rank"] is None
        assert made.labels[0]["q"] == anchors[LR]
        ranks = np.array([row["rank"] for row in made.labels[1:]])
        assert (ranks.min(), ranks.max()) == (0, 1)
        qualities = np.array([row["q"] for row in made.labels[1:]])
        assert (np.diff(qualities[np.argsort(ranks)]) >= 0).all() or not made.group["kept"]
        masked = [row["fidelity"] is None for row in made.labels]
        assert all(masked) if group.errors is None else not any(masked)


def test_fidelity_falls_with_every_error_and_one_is_the_truth_s_alone(scale: Scale) -> None:
    [group, *_] = made_up(seed=4)
    assert group.errors is not None
    perfect = np.zeros(5, np.float32)
    for use_dists in (False, True):
        dists = np.linspace(0.1, 0.5, 5)
        groups = [replace(g, dists=dists if g.errors is not None else None) for g in made_up()]
        mapping = fit_fidelity(groups, scale.labels, use_dists)
        truth = replace(group, errors=Errors(perfect, perfect, perfect, perfect + 10, perfect), dists=np.zeros(5))
        perfection, before = mapping.of(truth), mapping.of(replace(group, dists=dists))
        assert perfection is not None and before is not None and np.allclose(perfection, 1)
        for name in ("stlpips", "structure", "colour"):
            errors = replace(group.errors, **{name: getattr(group.errors, name) + 0.1})
            worse = mapping.of(replace(group, errors=errors, dists=dists + 0.1))
            assert worse is not None and (worse <= before).all() and (worse < before).any() and (before < 1).all()
        assert mapping.of(replace(group, errors=None)) is None


def test_measuring_covers_the_input_and_leaves_out_what_has_no_reference(tmp_path: Path) -> None:
    write_tiny_dataset(tmp_path, groups=4)
    groups = curated_groups(tmp_path)
    synthetic, real = measure_group(groups[0]), measure_group(groups[3])
    assert [row["enhancer"] for row in synthetic] == [LR, *groups[0].enhancers]
    assert len(synthetic[0]["features"]) == 2304 == len(real[0]["features"])
    assert "stlpips" in synthetic[0] and "stlpips" not in real[0]
    distances = [row["stlpips"] for row in synthetic[1:]]
    assert distances == sorted(distances), "more noise is farther from the truth"


def test_dists_says_what_is_missing() -> None:
    if dists_available():
        pytest.skip("DISTS' weights are here")
    with pytest.raises(MissingWeights, match="fidelity"):
        dists_batch(np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 32, 32, 3), np.uint8))


def test_scales_need_two_photos_with_a_reference() -> None:
    with pytest.raises(BadDataset, match="two photos"):
        fit_scale([group for group in made_up() if group.errors is None], (1.0, 0.5))


def test_stages_run_alone_redo_only_what_is_stale_and_a_person_overrules(tmp_path: Path) -> None:
    write_tiny_dataset(tmp_path, groups=8, enhancers=5)
    with pytest.raises(BadDataset, match="stage `measurements` first"):
        Annotation(AnnotationConfig(), tmp_path, Lines(), ["anchors"]).run()
    annotation = Annotation(AnnotationConfig(), tmp_path, Lines(), ["anchors", "comparisons", "labels"])
    for shard, recipe in annotation.unmeasured():
        measure_shard(tmp_path, read_manifest(tmp_path), shard, recipe, False)
    assert not Annotation(AnnotationConfig(), tmp_path, Lines()).needs_ray()
    annotation.run()
    groups = list(read_groups(tmp_path))
    assert len(groups) == 8 and all(np.isfinite(group.q).all() for group in groups)
    files = {path: path.stat().st_ino for table in ("anchors", "comparisons") for path in (tmp_path / table).iterdir()}
    verdicts = tmp_path / "verdicts.yaml"
    verdicts.write_text(f"{groups[0].input_id}: drop\n")
    config = AnnotationConfig(verdicts=verdicts)
    Annotation(config, tmp_path, Lines()).run()
    assert not next(group.kept for group in read_groups(tmp_path))
    assert files == {path: path.stat().st_ino for path in files}, "nothing else was done again"
    assert groups[0].input_id in (tmp_path / "review.html").read_text()
    verdicts.write_text("x: maybe\n")
    with pytest.raises(BadConfig, match="verdicts"):
        Annotation(config, tmp_path, Lines(), ["labels"]).run()
