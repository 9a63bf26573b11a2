"""The HTML report: whole runs, runs that failed early, and the parts that compute."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from oars.evaluation.intervals import Interval, bootstrap_mean
from oars.report import write_report
from oars.report.charts import Series, line_chart, number, ticks
from oars.report.held_out import verdict
from oars.report.page import duration
from oars.report.records import BadRecord, read_samples, read_steps
from oars.report.summary import Summary, write_summary

SCORES = {"reward": 3.217, "F": 0.912, "Q_SR": 3.4, "stlpips": 0.241, "psnr": 25.31}


def interval(mean: float, half: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half, "count": 24}


def summary() -> dict[str, Any]:
    names = ("reward", "fidelity", "q_sr", "psnr", "ssim", "stlpips", "niqe32")
    means = {
        "bicubic": (2.21, 0.81, 2.4, 25.9, 0.71, 0.349, 8.1),
        "base": (2.62, 0.85, 2.8, 25.1, 0.70, 0.311, 7.2),
        "sft": (2.94, 0.87, 3.1, 25.4, 0.72, 0.271, 6.4),
        "aligned": (3.11, 0.88, 3.3, 25.3, 0.72, 0.264, 6.1),
    }
    held_out = {
        model: {
            "metrics": {name: interval(mean, mean * 0.03) for name, mean in zip(names, values, strict=True)},
            "images": 24,
            "failed": 0,
        }
        for model, values in means.items()
    }
    return {
        "schema_version": 1,
        "run_id": "tiny-20260301-101500-4f2a",
        "name": "tiny",
        "status": "succeeded",
        "reason": "",
        "labels": {"purpose": "demo"},
        "started_at": "2026-03-01T10:15:00Z",
        "seconds_total": 1034.2,
        "stages": [
            {"name": "cold_start", "steps": 200, "seconds": 310.0},
            {"name": "fr_rl", "steps": 16, "seconds": 260.0},
            {"name": "nr_rl", "steps": 16, "seconds": 250.0},
        ],
        "groups": {
            "admitted": 134, "generated": 133, "scored": 131, "trained": 128,
            "dropped": {"stale": 2, "degenerate": 3, "too_few_scores": 1, "deadline": 0, "failed": 0},
        },
        "candidates": {"scored": 1048, "failed": {"low_confidence": 12, "deadline": 0}},
        "staleness": {"mean": 0.83, "max": 1},
        "versions_published": 32,
        "images_per_second": 2.1,
        "seconds": {
            "rollout": 340.0, "score": 96.0, "train": 301.0, "publish": 6.5,
            "idle": {"rollout": 120.0, "learner": 140.0},
        },
        "held_out": held_out,
        "paired": {
            "aligned-sft": {
                "reward": interval(0.17, 0.06), "fidelity": interval(0.01, 0.02), "q_sr": interval(0.2, 0.07),
                "psnr": interval(-0.1, 0.05), "ssim": interval(0.001, 0.004), "stlpips": interval(-0.007, 0.003),
            }
        },
        "lower_is_better": ["stlpips", "niqe32"],
        "judge": {"checkpoint": "sha256:5c1e", "prompt": "3"},
        "peak_memory_gib": 9.7,
    }  # fmt: skip


def steps() -> list[dict[str, Any]]:
    rng = np.random.default_rng(3)
    cold = [
        {"step": i, "stage": "cold_start", "loss": 0.4 * math.exp(-i / 60) + 0.1, "seconds": {}} for i in range(200)
    ]
    rl = [
        {
            "step": 200 + i,
            "stage": "fr_rl" if i < 16 else "nr_rl",
            "reward_mean": 2.6 + 0.02 * i + float(rng.normal(0, 0.04)),
            "reward_std": 0.15,
            "fidelity": 0.86 + 0.001 * i,
            "q_sr": 2.8 + 0.02 * i,
            "loss": 5.0 + float(rng.normal(0, 0.1)),
            "grad_norm": 0.7,
            "staleness_mean": float(min(i, 1)),
            "seconds": {"train": 9.0},
        }
        for i in range(32)
    ]
    return cold + rl


def photo(seed: int, side: int) -> Image.Image:
    """A smooth colour field with some texture: enough to look at."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8))
    fine = rng.normal(0, 9, (side, side, 3))
    pixels = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float64) + fine
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def make_run(run_dir: Path, crops: int = 2) -> Path:
    samples = run_dir / "samples"
    samples.mkdir(parents=True)
    index = []
    for crop in range(crops):
        images = {}
        for model, side in {"lr": 32, "bicubic": 128, "base": 128, "sft": 128, "aligned": 128, "gt": 128}.items():
            images[model] = f"{crop}_{model}.png"
            photo(crop, side).save(samples / images[model])
        scores = {model: dict(SCORES) for model in ("bicubic", "base", "sft", "aligned")}
        index.append({"image_id": f"skimage/data/photo{crop}.png@128,256", "images": images, "scores": scores})
    (samples / "index.json").write_text(json.dumps(index))
    write_summary(Summary.model_validate(summary()), run_dir)
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps()))
    return run_dir


def test_report_of_a_whole_run_is_self_contained_and_complete(tmp_path: Path) -> None:
    page = write_report(make_run(tmp_path / "run")).read_text()
    assert page.count("data:image/png;base64,") == 12
    assert page.count("<figure>") == 12
    for expected in (
        "COMPASS reward",
        "Aligned − SFT",
        "Ground truth",
        "Staleness",
        "too few scores",
        "FR-RL",
        "sha256:5c1e",
    ):
        assert expected in page
    assert page.count("<small>independent</small>") == 1
    assert "better in COMPASS reward (+0.17), Q_SR (+0.2), ST-LPIPS (-0.007); worse in PSNR (-0.1); no clear" in page
    assert "chosen before the run" in page and "one seed" in page
    assert not any(reference in page for reference in ('src="http', "url(", "<link", "@import"))


def test_report_of_a_run_that_failed_at_once(tmp_path: Path) -> None:
    failed = Summary(run_id="r", name="r", status="failed", started_at="", reason="no <judge> at 'x'")
    write_summary(failed, tmp_path)
    page = write_report(tmp_path).read_text()
    assert "no &lt;judge&gt; at" in page
    assert "Side by side" not in page and "Held-out" not in page


def test_report_of_an_empty_run_directory(tmp_path: Path) -> None:
    page = write_report(tmp_path).read_text()
    assert "it is running, or was killed" in page and tmp_path.name in page


def test_missing_score_is_said_in_words(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", crops=1)
    index = json.loads((run / "samples" / "index.json").read_text())
    index[0]["scores"]["sft"]["reward"] = None
    (run / "samples" / "index.json").write_text(json.dumps(index))
    assert "no score" in write_report(run).read_text()


def test_a_step_done_again_counts_once_and_a_cut_line_is_left_out(tmp_path: Path) -> None:
    lines = [{"step": 1, "stage": "fr_rl", "loss": 1.0}, {"step": 2, "stage": "fr_rl", "loss": 2.0}]
    lines.append({"step": 2, "stage": "fr_rl", "loss": 3.0})
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 3, "st')
    assert [(step.step, step.loss) for step in read_steps(tmp_path)] == [(1, 1.0), (2, 3.0)]


def test_a_line_cut_short_by_a_full_disk_does_not_cost_the_report(tmp_path: Path) -> None:
    cut = '{"stage": "fr_rl", "st{"stage": "fr_rl", "step": 1}\n{"stage": "fr_rl", "step": 2}\n'
    (tmp_path / "metrics.jsonl").write_text(cut)
    assert [step.step for step in read_steps(tmp_path)] == [2]


def test_records_of_another_format_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"stage": "fr_rl", "step": "two"}\n')
    with pytest.raises(BadRecord, match=r"metrics\.jsonl: .*step"):
        read_steps(tmp_path)
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "index.json").write_text('[{"image_id"')
    with pytest.raises(BadRecord, match=r"index\.json: "):
        read_samples(tmp_path)


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_ticks_cover_the_range_and_rise(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    marks = ticks(low, high)
    assert 2 <= len(marks) <= 9
    assert marks == sorted(set(marks))
    slack = 1e-6 * (marks[1] - marks[0])
    assert marks[0] <= low + slack and high - slack <= marks[-1]


@given(st.lists(st.none() | st.floats(), max_size=40))
def test_chart_draws_any_values(values: list[float | None]) -> None:
    svg = line_chart("any", Series([value if value is None or abs(value) < 1e30 else math.nan for value in values]))
    assert "nan" not in svg and "inf" not in svg
    assert bool(svg) == any(value is not None and abs(value) < 1e30 for value in values)


def test_chart_breaks_the_line_at_a_gap() -> None:
    svg = line_chart("gap", Series([1.0, 2.0, None, 3.0, 4.0]))
    assert svg.count('class="line"') == 2


@pytest.mark.parametrize(
    ("low", "high", "lower_is_better", "expected"),
    [
        (0.1, 0.3, False, "better"),
        (0.1, 0.3, True, "worse"),
        (-0.3, -0.1, False, "worse"),
        (-0.3, -0.1, True, "better"),
        (-0.1, 0.1, True, "open"),
        (0.0, 0.1, False, "open"),
    ],
)
def test_verdict_follows_the_interval(low: float, high: float, lower_is_better: bool, expected: str) -> None:
    assert verdict(Interval(mean=(low + high) / 2, low=low, high=high, count=24), lower_is_better) == expected


@pytest.mark.parametrize(("count", "expected"), [(1, "open"), (5, "open"), (6, "better")])
def test_a_few_values_that_agree_are_no_verdict(count: int, expected: str) -> None:
    assert verdict(bootstrap_mean([0.2] * count), lower_is_better=False) == expected


def test_numbers_and_durations_read_well() -> None:
    assert [number(value) for value in (0, 0.1234, 25.31, 1048, 1e-5)] == ["0", "0.123", "25.3", "1048", "1.0e-05"]
    assert [duration(seconds) for seconds in (4.2, 125, 12000)] == ["4 s", "2 min 5 s", "3 h 20 min"]


def test_a_refresh_of_the_judge_is_a_table_of_shares(tmp_path: Path) -> None:
    standing = {"pairs_in_order": None, "probes": {"blur": 0.5}}
    refresh = {
        "run": "r", "data_digest": "d", "steps": 40, "judge_before": "a" * 64, "judge_after": "b" * 64,
        "before": {"exaggerated_below": 0.4, **standing}, "after": {"exaggerated_below": 0.86, **standing},
    }  # fmt: skip
    write_summary(Summary.model_validate(summary() | {"refresh": refresh}), tmp_path)
    page = write_report(tmp_path).read_text()
    assert "The judge's refresh" in page and "in 40 steps" in page and "b" * 12 in page
    row = page[page.index("exaggerated below the policy") :]
    assert "<td>40 %</td><td>86 %</td>" in row and "<td>-</td><td>-</td>" in row
    write_summary(Summary.model_validate(summary()), tmp_path)
    assert "The judge's refresh" not in write_report(tmp_path).read_text()
