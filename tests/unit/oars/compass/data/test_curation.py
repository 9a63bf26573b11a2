"""Inputs: planned by photo, made from nothing but their plan, and refused early when something is missing."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oars.compass.data.curation import (
    SPLITS,
    inputs_recipe,
    make_inputs,
    photo_digests,
    photos_left_out,
    plan_inputs,
    shards,
)
from oars.config import BadConfig
from oars.config.curation import CountsConfig, CurationConfig, RealConfig, SyntheticConfig
from oars.config.degradation import DegradationConfig
from oars.imaging.image_io import decode_lossless
from oars.imaging.photos import NoPhotos
from oars.metrics.pixel import psnr

ENHANCERS = (
    {"name": "bicubic", "kind": "classical", "method": "bicubic"},
    {"name": "unsharp", "kind": "classical", "method": "unsharp"},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten made-up photos; by the hash of their names both splits have some."""
    rng = np.random.default_rng(0)
    for number in range(10):
        small = rng.integers(0, 255, (12, 12, 3)).astype(np.uint8)
        Image.fromarray(small).resize((96, 96), Image.Resampling.BICUBIC).save(tmp_path / f"photo{number}.png")
    return tmp_path


def config(folder: Path, **changes: object) -> CurationConfig:
    counts = CountsConfig(train=7, validation=2, evaluation=4)
    settings = {
        "crop": 48,
        "shard": 4,
        "validation": ("photo0.png",),
        "synthetic": SyntheticConfig(photos=(str(folder),), counts=counts),
        "real": RealConfig(photos=(str(folder),), counts=CountsConfig(train=2)),
        "enhancers": ENHANCERS,
    }
    return CurationConfig.model_validate(settings | changes)


def numbers(tree: object) -> list[float]:
    if isinstance(tree, dict):
        tree = [value for _, value in sorted(tree.items())]
    return [x for part in tree for x in numbers(part)] if isinstance(tree, list | tuple) else [float(tree)]  # type: ignore[arg-type]


def test_splits_are_by_photo_and_all_counts_are_met(folder: Path) -> None:
    plans = plan_inputs(config(folder))
    photos = {split: {plan.photo.name for plan in plans if plan.split == split} for split in SPLITS}
    assert photos["validation"] == {"photo0.png"}
    assert not photos["train"] & photos["evaluation"] and not photos["train"] & photos["validation"]
    counts = Counter(f"{plan.kind} {plan.split}" for plan in plans)
    assert counts == {"synthetic train": 7, "synthetic validation": 2, "synthetic evaluation": 4, "real train": 2}
    assert len({p.input_id for p in plans}) == len(plans)
    assert [len(part) for _, part in shards(plans, 4)] == [4, 4, 4, 3]


def test_an_input_depends_on_its_plan_alone(folder: Path) -> None:
    settings = config(folder)
    plans = plan_inputs(settings)
    rows = list(make_inputs(settings, plans))
    assert rows[5] == next(make_inputs(settings, [plans[5]]))
    more = config(folder, synthetic=settings.synthetic.model_copy(update={"counts": CountsConfig(train=12)}))
    same = [plan for plan in plan_inputs(more) if (plan.photo, plan.number) == (plans[3].photo, plans[3].number)]
    assert [row["lr"] for row in make_inputs(more, same)] == [rows[3]["lr"]]
    synthetic, real = rows[0], rows[-1]
    assert decode_lossless(synthetic["lr"]).shape == (12, 12, 3) == decode_lossless(real["lr"]).shape
    assert decode_lossless(synthetic["gt"]).shape == (48, 48, 3) and real["gt"] is None and real["strength"] is None


def test_a_recipe_changes_with_whatever_changes_the_pixels(folder: Path) -> None:
    settings = config(folder)
    plans = plan_inputs(settings)[:4]
    digests = photo_digests(plans)
    recipe = inputs_recipe(settings, plans, digests)
    assert recipe == inputs_recipe(settings.model_copy(update={"batch": 3, "pools": {}}), plans, digests)
    other = digests | {plans[0].photo.path: "0"}
    assert recipe != inputs_recipe(settings, plans, other)
    assert recipe != inputs_recipe(settings.model_copy(update={"seed": 1}), plans, digests)
    assert recipe != inputs_recipe(settings, plans[:3], digests)


def test_what_is_missing_is_said_before_any_work(folder: Path) -> None:
    with pytest.raises(NoPhotos, match="nowhere"):
        plan_inputs(config(folder, synthetic=SyntheticConfig(photos=("/nowhere",), counts=CountsConfig(train=1))))
    with pytest.raises(NoPhotos, match="validation"):
        plan_inputs(config(folder, validation=()))
    with pytest.raises(BadConfig, match="no inputs"):
        plan_inputs(config(folder, synthetic=SyntheticConfig(), real=RealConfig()))
    with pytest.raises(NoPhotos, match=r"left out: .* holds no 200 px crop"):
        plan_inputs(config(folder, crop=200))
    with pytest.raises(ValueError, match="two enhancers"):
        config(folder, enhancers=(ENHANCERS[0], ENHANCERS[0]))


def test_photos_that_cannot_be_used_are_named_and_left_out(folder: Path) -> None:
    assert photos_left_out(config(folder)) == []
    names = {plan.photo.name for plan in plan_inputs(config(folder))}
    (folder / "photo1.png").write_bytes(b"no picture")
    [line] = photos_left_out(config(folder))
    assert "photo1.png" in line and {plan.photo.name for plan in plan_inputs(config(folder))} == names - {"photo1.png"}


def test_a_long_name_fits_into_file_names(folder: Path) -> None:
    (folder / "photo1.png").rename(folder / f"{251 * 'a'}.png")
    assert all(len(f"{plan.input_id}.png") <= 255 for plan in plan_inputs(config(folder)))


def test_degradation_strength_runs_from_reduction_to_the_published_pipeline(folder: Path) -> None:
    whole = DegradationConfig()
    assert numbers(whole.at_strength(1.0).model_dump()) == pytest.approx(numbers(whole.model_dump()))
    means = []
    for strength in (0.0, 0.5, 1.0):
        synthetic = SyntheticConfig(photos=(str(folder),), counts=CountsConfig(train=30), strength=(strength, strength))
        rows = make_inputs(settings := config(folder, synthetic=synthetic, real=RealConfig()), plan_inputs(settings))
        reduced = [(decode_lossless(row["lr"]), Image.fromarray(decode_lossless(row["gt"])).reduce(4)) for row in rows]
        means.append(np.mean([psnr(lr, np.asarray(gt)) for lr, gt in reduced]))
    assert means[0] > means[1] > means[2]
