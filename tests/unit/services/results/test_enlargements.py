"""Photos and folders are enlarged, the best candidate is kept, and a second command goes on where the first stopped."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import picture, tiny_config

from oars.compass.outcome import CandidateOutcome, Scored
from oars.generator.enlarging import Enlarger
from oars.generator.miniature.tiny import build_tiny
from oars.generator.policy import load_pipeline, load_transformer
from oars.generator.upscaler import Upscaler
from oars.imaging.folder import NoPhotos
from oars.imaging.image_io import Pixels
from services.results.enlargement_tasks import Task, enlargement_tasks, photos_left_out
from services.results.enlargements import (
    REPORT,
    Enlargements,
    Record,
    Report,
    Settings,
    count_tiles,
    enlarge_all,
    keep_records,
    left_to_do,
    read_report,
)


class Brightness:
    """Rewards the brighter picture."""

    judge, min_pixels, max_pixels = "brightness", 1, 10**9

    def score(self, lr: Pixels, sr: Pixels) -> CandidateOutcome:
        return Scored(readings={"q_sr": float(sr.mean())}, reward=float(sr.mean()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Enlargements]:
    config = tiny_config(
        build_tiny(tmp_path_factory.mktemp("tiny")), sampler={"inference_steps": 2, "tile": 32, "overlap": 16}
    )
    upscaler = Upscaler(
        load_pipeline(config.generator), load_transformer(config.generator), config.generator, config.sampler
    )

    def make(scale: float = 4, candidates: int = 1, seed: int = 0) -> Enlargements:
        settings = Settings(
            generator="tiny",
            weights_digest="",
            scale=scale,
            model_scale=4,
            sampler=config.sampler,
            colour="none",
            seed=seed,
            candidates=candidates,
            judge=None,
        )
        return Enlargements(Enlarger(upscaler, "none"), Brightness() if candidates > 1 else None, settings)

    return make


def saved(path: Path, height: int = 10, width: int = 14) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(len(path.name), max(height, width))[:height, :width]).save(path)
    return path


def drawn(made: Enlargements, photo: Path, target: Path) -> Record:
    return made.write(Task(photo, target), lambda: None)


@pytest.mark.parametrize(("scale", "size"), [(1.5, (21, 15)), (3, (42, 30)), (4, (56, 40)), (5, (70, 50))])
def test_any_scale_has_its_exact_size(
    scale: float, size: tuple[int, int], made: Callable[..., Enlargements], tmp_path: Path
) -> None:
    tiles = []
    task = Task(saved(tmp_path / "a.png"), tmp_path / "out.png")
    record = made(scale).write(task, lambda: tiles.append(1))
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == size == (record.width, record.height)
    assert len(tiles) == count_tiles([task], made(scale).settings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "out.png"]


def test_a_seed_draws_the_same_picture_and_another_seed_another(
    made: Callable[..., Enlargements], tmp_path: Path
) -> None:
    photo = saved(tmp_path / "a.png")
    pictures = []
    for number, seed in enumerate((0, 0, 1)):
        drawn(made(seed=seed), photo, tmp_path / f"{number}.png")
        pictures.append((tmp_path / f"{number}.png").read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


def test_the_candidate_that_the_judge_prefers_is_written(made: Callable[..., Enlargements], tmp_path: Path) -> None:
    photo = saved(tmp_path / "a.png")
    record = drawn(made(candidates=4), photo, tmp_path / "best.png")
    rewards = [reward for reward in record.rewards if reward is not None]
    best = np.asarray(Image.open(tmp_path / "best.png"))
    assert float(best.mean()) == rewards[record.chosen] == max(rewards) and len(set(rewards)) == 4
    drawn(made(), photo, tmp_path / "first.png")
    assert float(np.asarray(Image.open(tmp_path / "first.png")).mean()) == record.rewards[0]


def test_transparency_is_enlarged_beside_the_colours(made: Callable[..., Enlargements], tmp_path: Path) -> None:
    rgba = np.dstack([picture(0, 12), np.full((12, 12), 255, np.uint8)])
    rgba[:, :6, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "a.png")
    drawn(made(), tmp_path / "a.png", tmp_path / "out.webp")
    alpha = np.asarray(Image.open(tmp_path / "out.webp"))[..., 3]
    assert (alpha[:, :16] == 0).all() and (alpha[:, 32:] == 255).all()


def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "sub/b.png", "sub/b.webp", ".hidden.png"):
        saved(tmp_path / "in" / name)
    (tmp_path / "in" / "note.txt").write_text("no photo")
    return tmp_path / "in"


def test_a_folder_keeps_its_names_and_photos_of_one_name_keep_their_endings(tmp_path: Path) -> None:
    tasks, out = enlargement_tasks([folder(tmp_path)], None, 1.5, "png")
    assert out == tmp_path / "in_x1.5"
    names = ["a.png", "sub/b.png.png", "sub/b.webp.png"]
    assert [str(task.target.relative_to(out)) for task in tasks] == names


def test_outputs_below_the_photos_are_no_photos(tmp_path: Path) -> None:
    out = folder(tmp_path) / "sub" / "out"
    saved(out / "a.png")
    tasks, _ = enlargement_tasks([tmp_path / "in"], out, 4, "png")
    assert len(tasks) == 3 and all(task.target.is_relative_to(out) for task in tasks)


def test_one_photo_has_its_file(tmp_path: Path) -> None:
    photo = saved(tmp_path / "a.jpg")
    assert enlargement_tasks([photo], None, 2, "jpg") == ([Task(photo, tmp_path / "a_x2.jpg")], None)
    assert enlargement_tasks([photo], tmp_path / "b.tif", 2, "png")[0][0].target == tmp_path / "b.tif"
    assert enlargement_tasks([photo], tmp_path, 2, "png") == ([Task(photo, tmp_path / "a.png")], tmp_path)


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoPhotos, match="no photos in"):
        enlargement_tasks([tmp_path], None, 4, "png")
    assert photos_left_out([tmp_path], tmp_path / "out") == ""


def test_photos_of_formats_that_are_not_read_are_named(tmp_path: Path) -> None:
    for name in ("IMG_1.HEIC", "sub/DSC_2.nef", "sub/.hidden.heic"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    line = "2 left out: IMG_1.HEIC: .HEIC cannot be read; sub/DSC_2.nef: .nef cannot be read"
    assert photos_left_out([tmp_path], tmp_path / "out") == line
    with pytest.raises(NoPhotos, match=r"no photos in .*; 2 left out: IMG_1\.HEIC"):
        enlargement_tasks([tmp_path], None, 4, "png")


def test_tiles_of_photos_that_cannot_be_read_to_the_end_do_not_count(
    made: Callable[..., Enlargements], tmp_path: Path
) -> None:
    [task], _ = enlargement_tasks([saved(tmp_path / "a.jpg")], None, 4, "png")
    settings = made(4).settings
    assert count_tiles([task], settings) > 0
    task.source.write_bytes(task.source.read_bytes()[:-40])
    assert count_tiles([task], settings) == 0


def test_a_folder_goes_on_where_it_was_and_a_bad_photo_stops_nothing(
    made: Callable[..., Enlargements], tmp_path: Path
) -> None:
    bad = folder(tmp_path) / "sub" / "c.jpg"
    bad.write_text("no photo")
    one = made(2)
    tasks, out = enlargement_tasks([tmp_path / "in"], tmp_path / "out", 2, "png")
    assert out is not None
    report = read_report(out, one.settings)
    keep_records(report, enlarge_all(one, tasks[:1], lambda task: lambda: None), out)

    again = read_report(out, one.settings)
    todo = left_to_do(again, tasks, out)
    assert todo == tasks[1:]
    keep_records(again, enlarge_all(one, todo, lambda task: lambda: None), out)
    final = Report.model_validate_json((out / REPORT).read_bytes())
    assert "c.jpg" in final.pictures["sub/c.png"].error and len(final.pictures) == 4
    assert [task.source for task in left_to_do(final, tasks, out)] == [bad]

    saved(tmp_path / "in" / "a.jpg", 12, 12)
    tasks[1].target.unlink()
    assert left_to_do(final, tasks, out) == [tasks[0], tasks[1], tasks[3]]
    assert read_report(out, made(4).settings).pictures == {}
