"""An evaluation from folders to tables: a killed one goes on, an extended one redoes nothing, other settings are
refused."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from oars.config.degradation import DegradationConfig
from oars.config.generator import GeneratorConfig, SamplerConfig
from oars.evaluation.benchmark_records import RESULTS, Evaluation
from oars.evaluation.benchmarks import Degradation
from oars.evaluation.contestants import Contestant, Sampling, contestant
from oars.evaluation.intervals import Interval
from services.evaluation.evaluate import PICTURES, Benchmark, Plan, evaluate
from services.evaluation.workplace import BadWorkplace
from services.run.progress import ProgressLine


class Silent:
    def update(self, line: ProgressLine) -> None: ...


class Counted:
    """Nearest-neighbour enlargement that counts, and stops before a given call."""

    def __init__(self, name: str, level: int = 0, stop_at: int = -1) -> None:
        self.name, self.level, self.stop_at = name, level, stop_at
        self.calls: list[str] = []

    def contestant(self) -> Contestant:
        return Contestant(self.name, lambda benchmark, picture: [self.name, self.level], lambda: self.enlarge)

    def enlarge(self, benchmark: str, picture: str, lr: np.ndarray) -> np.ndarray:
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        self.calls.append(f"{benchmark}/{picture}")
        return np.asarray(np.kron(lr, np.ones((4, 4, 1), np.uint8)) + np.uint8(self.level))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(40, 200, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{seed}.png")
    return photos


def planned(folder: Path, models: list[Counted], seed: int = 0, limit: int | None = None) -> Plan:
    degradation = Degradation(DegradationConfig(), 0.5, seed)
    return Plan(
        benchmarks=[Benchmark("photos", folder, degradation), Benchmark("real", folder, None)],
        models=[model.contestant() for model in models],
        asked={model.name: model.name for model in models},
        baseline=models[0].name,
        metrics=(),
        scale=4,
        seed=seed,
        limit=limit,
    )


def test_every_model_is_measured_on_every_picture_of_every_benchmark(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = evaluate(planned(folder, [Counted("plain"), Counted("lighter", 9)]), out, None, Silent())
    assert Evaluation.model_validate_json((out / RESULTS).read_text()) == result
    rows = pq.read_table(out / PICTURES).to_pylist()
    assert len(rows) == 2 * 2 * 3
    psnr = {row["model"]: [r["psnr"] for r in rows if r["model"] == row["model"] and r["psnr"]] for row in rows}
    assert result.benchmarks["photos"].models["lighter"]["psnr"].mean == pytest.approx(np.mean(psnr["lighter"]))
    assert "psnr" not in result.benchmarks["real"].models["plain"]
    assert "niqe32" in result.benchmarks["real"].models["plain"]
    assert result.benchmarks["photos"].paired["lighter"]["psnr"].count == 3
    assert (out / "photos" / "hr" / "0.png").is_file() and not (out / "real" / "hr").exists()


def measures(values: dict[str, Interval]) -> dict[str, Interval]:
    """All but the time that it took."""
    return {name: interval for name, interval in values.items() if name != "seconds"}


def test_outputs_made_elsewhere_get_the_figures_of_the_model_that_made_them(folder: Path, tmp_path: Path) -> None:
    sampling = Sampling(GeneratorConfig(), SamplerConfig(), 4, 0)
    made, again = tmp_path / "made", tmp_path / "again"

    def measured(models: dict[str, str], out: Path) -> Evaluation:
        plan = planned(folder, [Counted("plain")])
        asked = [contestant(name, text, sampling) for name, text in models.items()]
        return evaluate(replace(plan, models=[*plan.models, *asked]), out, None, Silent())

    first = measured({"unsharp": "unsharp"}, made)
    for name in ("photos", "real"):
        shutil.copytree(made / name / "models" / "unsharp", tmp_path / "theirs" / name)
    second = measured({"theirs": f"folder:{tmp_path / 'theirs'}"}, again)
    for name, benchmark in first.benchmarks.items():
        theirs = second.benchmarks[name]
        assert measures(theirs.models["theirs"]) == measures(benchmark.models["unsharp"])
        assert measures(theirs.paired["theirs"]) == measures(benchmark.paired["unsharp"])


def test_a_lattice_of_all_outputs_is_found(folder: Path, tmp_path: Path) -> None:
    class Woven(Counted):
        def enlarge(self, benchmark: str, picture: str, lr: np.ndarray) -> np.ndarray:
            plain = super().enlarge(benchmark, picture, lr)
            return np.asarray(plain + 20 * (np.arange(plain.shape[1]) % 7 == 0)[None, :, None], np.uint8)

    result = evaluate(planned(folder, [Counted("plain"), Woven("woven")]), tmp_path / "out", None, Silent())
    found = result.benchmarks["real"].lattices
    assert found["woven"].period in (7, 14, 21, 28)
    assert found["woven"].amplitude > 3 + found["plain"].amplitude


def test_a_killed_evaluation_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    out, killed = tmp_path / "out", Counted("plain", stop_at=4)
    with pytest.raises(KeyboardInterrupt):
        evaluate(planned(folder, [killed]), out, None, Silent())
    assert not out.exists()
    again = Counted("plain")
    evaluate(planned(folder, [again]), out, None, Silent())
    assert (len(killed.calls), len(again.calls)) == (4, 2)
    assert not set(killed.calls) & set(again.calls)


def test_a_finished_one_is_extended_and_nothing_is_redone(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = evaluate(planned(folder, [Counted("plain")], limit=2), out, None, Silent())
    plain, lighter = Counted("plain"), Counted("lighter", 9)
    more = evaluate(planned(folder, [plain, lighter]), out, None, Silent())
    assert (len(plain.calls), len(lighter.calls)) == (2, 6)
    assert (first.benchmarks["real"].pictures, more.benchmarks["real"].pictures) == (2, 3)


def test_a_model_that_changed_is_redone(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    evaluate(planned(folder, [Counted("plain")]), out, None, Silent())
    changed = Counted("plain", level=5)
    evaluate(planned(folder, [changed]), out, None, Silent())
    assert len(changed.calls) == 6


@pytest.mark.parametrize(
    ("other", "words"),
    [(lambda folder: planned(folder, [Counted("plain")], seed=1), "made with"), (None, "holds something else")],
)
def test_another_directory_is_refused_before_work(
    folder: Path, tmp_path: Path, other: Callable[[Path], Plan] | None, words: str
) -> None:
    out = tmp_path / "out"
    if other is None:
        out.mkdir()
        (out / "mine.txt").write_text("precious")
    else:
        evaluate(planned(folder, [Counted("plain")], limit=1), out, None, Silent())
    model = Counted("plain")
    plan = other(folder) if other else planned(folder, [model])
    with pytest.raises(BadWorkplace, match=words):
        evaluate(plan, out, None, Silent())
    assert not model.calls


@pytest.mark.parametrize("content", ["", "[]"])
@pytest.mark.parametrize("pattern", ["settings.json", "models/plain/*.json"])
def test_a_record_that_cannot_be_read_is_named(pattern: str, content: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    evaluate(planned(folder, [Counted("plain")], limit=1), out, None, Silent())
    record = next(out.rglob(pattern))
    record.write_text(content)
    with pytest.raises(BadWorkplace, match=rf"{record.name}: "):
        evaluate(planned(folder, [Counted("plain")], limit=1), out, None, Silent())
