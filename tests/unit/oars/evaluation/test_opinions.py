"""People's scores beside pictures: which input a picture belongs to, what a bad line says, and the numbers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage import data

from oars.compass.judge import Judge
from oars.compass.miniature.judge_model import build_judge
from oars.evaluation.benchmark_files import BadBenchmark
from oars.evaluation.judge_tables import human_agreements, pair_accuracies
from oars.evaluation.opinions import rated
from oars.evaluation.scored_opinions import scored

BLURS = (0.3, 1.0, 2.0, 4.0)


def benchmark(folder: Path, inputs: int = 4, header: str = "file, score") -> Path:
    """Crops of a photo, blurred more and more; people like the sharper ones. The last input has no ground truth."""
    photo = Image.fromarray(data.astronaut())
    lines = [header]
    for name in ("lr", "hr", "sr"):
        (folder / name).mkdir(parents=True)
    for number in range(inputs):
        gt = photo.crop((40 + 96 * number, 40, 136 + 96 * number, 136))
        gt.resize((24, 24)).save(folder / "lr" / f"{number}.png")
        if number < inputs - 1:
            gt.save(folder / "hr" / f"{number}.png")
        for blur in BLURS:
            gt.filter(ImageFilter.GaussianBlur(blur)).save(folder / "sr" / f"{number}_blur{blur}.png")
            lines.append(f"sr/{number}_blur{blur}.png, {5 - blur}")
    (folder / "mos.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    path = tmp_path_factory.mktemp("judge")
    build_judge(path, seed=0)
    return Judge.load(path)


def test_pictures_are_grouped_by_the_longest_name_of_an_input(tmp_path: Path) -> None:
    for path in ("lr/bird.png", "lr/bird_2.png", "hr/bird.png", "seesr/bird.png", "bird_2_seesr.png", "odd.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / path)
    (tmp_path / "mos.csv").write_text(
        "file,score,input\nseesr/bird.png,3,\nbird_2_seesr.png,4,\nodd.png,5,lr/bird.png\n"
    )
    first, second = rated(tmp_path)
    assert (first.name, first.candidates, first.scores) == ("bird", ("seesr/bird.png", "odd.png"), (3, 5))
    assert first.gt is not None
    assert (second.name, second.candidates, second.gt) == ("bird_2", ("bird_2_seesr.png",), None)


def test_a_metric_that_follows_people_orders_all_pairs_and_counts_where_it_is_known(
    tmp_path: Path, judge: Judge
) -> None:
    steps: list[tuple[int, int]] = []
    groups = scored(rated(benchmark(tmp_path)), judge, lambda done, total: steps.append((done, total)))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    accuracies = {row.contender: row.accuracy for row in pair_accuracies(groups, 7.0, ())}
    assert (accuracies["psnr"].mean, accuracies["psnr"].count) == (1.0, 3 * 6)
    assert accuracies["stlpips"].mean == 1.0
    assert accuracies["judge"].count == 4 * 6
    agreements = {row.contender: row for row in human_agreements(groups, 7.0)}
    assert agreements["ssim"].srcc.mean > 0.8
    assert agreements["ssim"].srcc.low <= agreements["ssim"].srcc.mean <= agreements["ssim"].srcc.high
    assert (agreements["psnr"].srcc.count, agreements["judge"].plcc.count) == (12, 16)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("picture,score\n", "must name the columns file and score"),
        ("file,score\nsr/0_blur1.0.png,good\n", "line 2: expected a number as score, got 'good'"),
        ("file,score\nsr/0_blur1.0.png,nan\n", "expected a number"),
        ("file,score\nsr/other.png,3\n", "line 2: sr/other.png has no input in lr/"),
        ("file,score\n", "names no pictures"),
        ("file,score\nsr/0_none.png,3\n", "sr/0_none.png: no such picture"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    folder = benchmark(tmp_path, inputs=1)
    (folder / "mos.csv").write_text(text)
    with pytest.raises(BadBenchmark, match=said):
        rated(folder)


def test_a_picture_of_another_size_is_named(tmp_path: Path, judge: Judge) -> None:
    folder = benchmark(tmp_path, inputs=2)
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder / "sr" / "0_blur1.0.png")
    with pytest.raises(BadBenchmark, match=r"0_blur1\.0\.png: its size is not that of"):
        scored(rated(folder), judge, lambda done, total: None)
