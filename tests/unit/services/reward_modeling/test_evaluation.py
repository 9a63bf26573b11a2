"""A judge's evaluation: tables of known groups, probes, the benchmark's folder, and the page."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from compass_data import write_tiny_dataset
from PIL import Image

from oars.compass.data.dataset import read_groups
from oars.compass.judge import Judge
from oars.compass.miniature.judge_model import build_judge
from oars.evaluation.benchmark_files import BadBenchmark
from oars.evaluation.judge_tables import agreements, calibration_error, pair_accuracies, worst_pairs
from oars.evaluation.opinions import rated
from oars.evaluation.probes import STRENGTHS, changes, ladder, probe, scenes_of
from oars.evaluation.records import JudgeEvaluation
from oars.evaluation.scored import ScoredGroup, scored_group, signed
from services.reward_modeling.ablation import ablation_rows
from services.reward_modeling.evaluation import evaluate_benchmark, evaluate_data_set
from services.run.progress import Lines

GAMMA = 7.0
NAMES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    """A judge that tells pictures apart."""
    path = tmp_path_factory.mktemp("judge")
    build_judge(path, seed=0)
    judge = Judge.load(path)
    with torch.no_grad():
        torch.nn.init.normal_(judge.model.lm_head.weight, generator=torch.Generator().manual_seed(0))
    judge.model.save_pretrained(path)
    return path


def group(photo: str, order: list[int], **changes: Any) -> ScoredGroup:
    """Four candidates whose quality, by every measure, has the given ranks."""
    ranks = np.array(order, float)
    known = ScoredGroup(
        input_id=f"{photo}@0",
        photo=photo,
        strength=0.5,
        enhancers=NAMES,
        families=("regression", "regression", "generative", "generative"),
        fidelity=np.full(4, 0.9),
        q_lr=2.0,
        q_sr=1 + ranks,
        mass=0.99,
        told_fidelity=np.linspace(0.5, 0.8, 4),
        told_q_lr=2.0,
        told_q_sr=1 + ranks,
        metrics=signed({"stlpips": -ranks, "cvvdp": 5 + ranks, "psnr": 20 + ranks, "niqe32": ranks}),
    )
    return replace(known, **changes)


def test_a_perfect_judge_a_useless_metric_and_the_subsets():
    groups = [group("x", [0, 1, 2, 3]), group("y", [3, 0, 1, 2])]
    rows = {(r.reference, r.contender, r.subset): r for r in pair_accuracies(groups, GAMMA, unseen=("d",))}
    assert rows["consensus", "judge", "all"].accuracy.mean == 1
    assert rows["consensus", "judge", "all"].accuracy.count == 12
    assert rows["consensus", "niqe32", "all"].accuracy.mean == 0
    lead = rows["consensus", "niqe32", "all"].judge_minus
    assert lead is not None and lead.mean == 1
    assert rows["labels", "psnr", "regression"].accuracy.count == 2
    assert rows["labels", "psnr", "unseen"].accuracy.count == 6
    assert ("consensus", "stlpips", "all") not in rows, "it made that reference"
    assert rows["cvvdp", "stlpips", "all"].accuracy.mean == 1


def test_pairs_on_which_the_two_metrics_differ_are_open():
    swapped = signed({"stlpips": np.array([3.0, 2, 1, 0]), "cvvdp": np.array([1.0, 0, 2, 3])})
    rows = pair_accuracies([group("x", [0, 1, 2, 3], metrics=swapped)], GAMMA, ())
    counts = {row.accuracy.count for row in rows if (row.reference, row.subset) == ("consensus", "all")}
    assert counts == {5}


def test_a_metric_counts_where_it_has_values_and_the_judge_beside_it_on_the_same_pairs():
    unknown = {name: np.full(4, np.nan, np.float64) for name in ("stlpips", "cvvdp", "psnr")}
    real = group(
        "x", [3, 2, 1, 0], metrics=signed(unknown | {"niqe32": np.arange(4, dtype=np.float64)}), q_sr=np.arange(1.0, 5)
    )
    tables = pair_accuracies([group("y", [0, 1, 2, 3]), real], GAMMA, ())
    rows = {(r.reference, r.contender): r for r in tables if r.subset == "all"}
    psnr, niqe32 = rows["labels", "psnr"], rows["labels", "niqe32"]
    assert (psnr.accuracy.mean, psnr.accuracy.count) == (1, 6) and niqe32.accuracy.count == 12
    assert psnr.judge_minus is not None and psnr.judge_minus.mean == 0


def test_agreement_is_taken_where_there_are_labels():
    unlabelled = group("z", [0, 1, 2, 3], told_fidelity=np.full(4, np.nan))
    groups = [group(f"p{i}", [0, 1, 2, 3], fidelity=np.linspace(0.5, 0.8, 4)) for i in range(10)] + [unlabelled]
    by_output = {row.output: row for row in agreements(groups)}
    assert by_output["F"].srcc.mean == pytest.approx(1) and by_output["F"].srcc.count == 40
    assert by_output["Q_SR"].calibration_error.mean == pytest.approx(0) and by_output["Q_SR"].srcc.count == 44


def test_labels_that_the_annotation_did_not_keep_are_no_reference(tmp_path, directory):
    write_tiny_dataset(tmp_path)
    kept = next(iter(read_groups(tmp_path)))
    pairs = []
    for one in (replace(kept, kept=True), replace(kept, kept=False)):
        read = scored_group(one, Judge.load(directory))
        rows = pair_accuracies([read], GAMMA, ())
        pairs.append(
            {row.reference: row.accuracy.count for row in rows if (row.subset, row.contender) == ("all", "judge")}
        )
        assert np.isnan(read.told_q_lr) == (not one.kept)
    assert "labels" in pairs[0] and pairs[1] == {name: n for name, n in pairs[0].items() if name != "labels"}


def test_calibration_error_of_a_constant_offset_is_the_offset():
    told = np.random.default_rng(0).uniform(1, 5, 200)
    assert calibration_error(told + 0.3, told) == pytest.approx(0.3)
    assert calibration_error(told, told) == pytest.approx(0)


def test_the_worst_pair_is_the_largest_inversion():
    read = group("x", [0, 1, 2, 3], q_sr=np.array([1.0, 4, 2, 3]))
    [pair] = worst_pairs([read, group("y", [0, 1, 2, 3])], GAMMA, "consensus", 5)
    assert (pair.better, pair.worse) == ("c", "b")


def test_the_ablation_compares_each_row_with_what_it_adds_to():
    plain = [group("x", [0, 1, 2, 3], q_sr=np.array([4.0, 3, 2, 1])), group("y", [0, 1, 2, 3])]
    better = [group("x", [0, 1, 2, 3]), group("y", [0, 1, 2, 3])]
    rows = {row.variant: row for row in ablation_rows({"anchor": [plain, plain], "calibrated": [better, better]})}
    assert rows["plain"].accuracies == (0.5, 0.5) and rows["plain"].gain is None
    assert rows["+ calibration"].accuracy.mean == 1 and rows["+ calibration"].accuracy.count == 24
    calibration, fidelity = rows["+ calibration"].gain, rows["+ explicit fidelity"].gain
    assert calibration is not None and calibration.mean == 0.5
    assert fidelity is not None and (fidelity.low, fidelity.high) == (0, 0), "F is the same for all"


def test_every_change_is_stronger_at_more_strength(tmp_path):
    write_tiny_dataset(tmp_path)
    scene = scenes_of(list(read_groups(tmp_path)), 4)[0]
    for change in changes(scene.foreign).values():
        made = [change(scene.gt, strength, np.random.default_rng(0)) for strength in STRENGTHS]
        errors = [float(np.square(image - scene.gt).mean()) for image in made]
        assert 0 < errors[0] < errors[1] < errors[2]
        assert made[0].shape == scene.gt.shape


def test_probes_and_ladder_read_every_picture(tmp_path, directory):
    write_tiny_dataset(tmp_path)
    scenes, judge = scenes_of(list(read_groups(tmp_path)), 2), Judge.load(directory)
    rows = probe(judge, scenes, GAMMA)
    assert len(rows) == 2 + len(changes(scenes[0].foreign)) * len(STRENGTHS)
    assert all(0 <= row.fidelity <= 1 and 1 <= row.q_sr <= 5 for row in rows)
    assert probe(judge, scenes, GAMMA) == rows
    steps = ladder(judge, scenes, scale=4)
    assert [step.strength for step in steps] == sorted(step.strength for step in steps)
    assert steps[0].falls is None and all(step.falls is not None for step in steps[1:])


def test_a_data_set_gives_one_file_and_one_page(tmp_path, directory):
    """Another judge, here itself under another name, is compared with it, and judges of one mind do not differ."""
    write_tiny_dataset(tmp_path / "data", groups=16)
    (tmp_path / "stock").symlink_to(directory)
    beside = [str(tmp_path / "stock")]
    result = evaluate_data_set(
        str(directory), tmp_path / "data", tmp_path / "out", GAMMA, "train", Lines(), beside=beside
    )
    rows = [row for row in result.accuracies if row.contender == "stock (zero-shot, uncalibrated)"]
    assert rows and all(row.judge_minus is not None and row.judge_minus.mean == 0 for row in rows)
    assert result.basis == "zero-shot, uncalibrated"
    stored = JudgeEvaluation.model_validate(json.loads((tmp_path / "out" / "evaluation.json").read_text()))
    assert stored == result and stored.schema_version == 1
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert rows[0].contender in page and "consensus" in page and "data:image/png;base64," in page
    assert "http" not in page.replace("http://www.w3", "")


def benchmark(folder: Path, lines: str = "1_{m}.png,{s}\n") -> Path:
    """Two LR, four methods, in the benchmark's layout; one text file uses spaces, as some of the originals do."""
    methods = {"Bicubic": 10.0, "SwinIR": 40.0, "SeeSR": 70.0, "SUPIR": 100.0}
    for method in ("Original", *methods):
        (folder / "images" / method).mkdir(parents=True)
        for index in (1, 2):
            seed = np.random.default_rng(len(method) + index)
            pixels = seed.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / method / f"{index}_{method}.png")
    for name, kept in (("MOS", list(methods)), ("MOS_Reg", ["SwinIR", "Bicubic"]), ("MOS_Gen", ["SeeSR", "SUPIR"])):
        (folder / name).mkdir()
        (folder / name / "1.txt").write_text("".join(lines.format(m=m, s=methods[m]) for m in kept))
        (folder / name / "2.txt").write_text("".join(f"2_{m}.png {methods[m]}\n" for m in kept))
    return folder


def test_the_benchmarks_folder_is_read(tmp_path):
    first, second = rated(benchmark(tmp_path))
    assert first.candidates == second.candidates == ("Bicubic", "SUPIR", "SeeSR", "SwinIR")
    assert first.scores == (10, 100, 70, 40)
    assert first.families == ("regression", "generative", "generative", "regression")


def test_a_benchmark_counts_all_pairs_of_each_subset(tmp_path, directory):
    result = evaluate_benchmark(str(directory), benchmark(tmp_path / "bench"), tmp_path / "out", GAMMA, Lines())
    counts = {row.subset: row.accuracy.count for row in result.accuracies if row.contender == "judge"}
    assert counts == {"all": 12, "regression": 2, "generative": 2}
    assert (tmp_path / "out" / "evaluation.html").exists()


@pytest.mark.parametrize(
    ("lines", "said"), [("1_{m}.png\n", "line 1: expected"), ("7_{m}.png,{s}\n", "no picture of 1")]
)
def test_a_bad_line_is_named(tmp_path, lines, said):
    with pytest.raises(BadBenchmark, match=said):
        rated(benchmark(tmp_path, lines))


def test_a_folder_without_scores_is_named(tmp_path):
    with pytest.raises(BadBenchmark, match="MOS"):
        rated(tmp_path)
