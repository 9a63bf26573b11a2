"""`oars upscale FOLDER` on Ray: the bytes and the report of the local command, whatever happens to a worker."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import ray
import yaml
from command_line import runner
from enlargement_settings import settings_of
from PIL import Image
from tiny import picture, tiny_config

from oars.config import RunConfig
from oars.generator.miniature.tiny import build_tiny
from services.cli.main import app
from services.results.enlargement_tasks import Task
from services.results.enlargement_workers import NotShared, NoWorkers, enlarge_on_ray
from services.results.enlargements import REPORT, Enlargements, Load, Record, Report

PATIENCE_S = 400
# Ctrl-C works as in a terminal, even if a shell's background job, where it is ignored, runs the tests.
COMMAND = """
import signal
from services.cli.main import app

signal.signal(signal.SIGINT, signal.default_int_handler)
app()
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    generator = build_tiny(tmp_path_factory.mktemp("tiny") / "generator")
    sampler = {"inference_steps": 2, "tile": 32, "overlap": 16}
    return tiny_config(generator, sampler=sampler, rollout={"workers": 2, "max_restarts": 3})


@pytest.fixture(scope="module")
def load(config: RunConfig) -> Load:
    return partial(Enlargements.load, config, None, settings_of(config))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "sub/c.png")):
        Image.fromarray(picture(number, 14)[:10]).save(folder / name)
    return folder


def tasks_of(photos: Path, out: Path) -> list[Task]:
    out.mkdir()
    return [Task(photo, out / photo.name) for photo in sorted(photos.rglob("*.png"))]


def words(config: RunConfig, photos: Path, out: Path) -> list[str]:
    profile = out.with_suffix(".yaml")
    profile.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    return ["upscale", str(photos), "--out", str(out), "--profile", str(profile)]


def start(config: RunConfig, photos: Path, out: Path) -> subprocess.Popen[str]:
    address = ray.get_runtime_context().gcs_address
    command = [sys.executable, "-c", COMMAND, *words(config, photos, out), "--address", address]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


def said(process: subprocess.Popen[str]) -> tuple[str, list[str]]:
    """Output, and lines of stderr."""
    output, errors = process.communicate(timeout=PATIENCE_S)
    return output, errors.splitlines()


def files(out: Path) -> dict[str, int]:
    """What is there but the report, and the file that each is."""
    found = (path for path in out.rglob("*") if path.is_file() and path.name != REPORT)
    return {str(path.relative_to(out)): path.stat().st_ino for path in found}


def records(out: Path) -> dict[str, Record]:
    report = Report.model_validate_json((out / REPORT).read_bytes())
    same = {"seconds": 0.0, "target": ""}
    return {name: record.model_copy(update=same) for name, record in report.pictures.items()}


def test_a_folder_has_the_bytes_and_the_report_of_the_local_command_and_goes_on(
    config: RunConfig, photos: Path, tmp_path: Path, ray_cluster: None
) -> None:
    (photos / "bad.jpg").write_text("no photo")
    here, there = tmp_path / "here", tmp_path / "there"
    output, errors = said(start(config, photos, there))
    assert "[photos 4/4]" in output and "3 of 4 photos enlarged" in output, errors
    [error] = errors
    assert error.startswith(f"error: {photos / 'bad.jpg'}: ")

    assert runner.invoke(app, words(config, photos, here)).exit_code == 1
    first = files(there)
    assert first.keys() == files(here).keys() and len(first) == 3
    for name in first:
        assert (there / name).read_bytes() == (here / name).read_bytes()
    assert records(there) == records(here)

    (there / "b.png").unlink()
    output, _ = said(start(config, photos, there))
    assert "2 of 4 photos to enlarge" in output
    assert {name for name, file in files(there).items() if first[name] == file} >= {"a.png", "sub/c.png"}
    assert (there / "b.png").read_bytes() == (here / "b.png").read_bytes()


def test_ctrl_c_ends_it_in_one_line_and_leaves_nothing_half_written(
    config: RunConfig, tmp_path: Path, ray_cluster: None
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    Image.fromarray(picture(0, 128)).save(photos / "large.png")
    process = start(config, photos, out)
    deadline = time.monotonic() + PATIENCE_S
    while not list(out.glob(".rows.*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = said(process)
    assert (process.returncode, errors) == (130, ["stopped; the same command goes on from here"])
    assert list(out.iterdir()) == []


def deadly(load: Load, deaths: dict[Path, int]) -> Load:
    """Models whose process is killed amid these photos, so many times."""

    class Deadly(Enlargements):
        def write(self, task, tile):
            return super().write(task, lambda: die(task.source))

    def die(photo: Path) -> None:
        marks = photo.with_suffix(".deaths")
        died = marks.stat().st_size if marks.exists() else 0
        if died < deaths.get(photo, 0):
            marks.write_text("x" * (died + 1))
            os.kill(os.getpid(), signal.SIGKILL)

    def loaded() -> Enlargements:
        made = load()
        return Deadly(made.enlarger, made.scorer, made.settings)

    return loaded


def enlarged(config: RunConfig, load: Load, tasks: list[Task], out: Path) -> dict[str, Record]:
    with closing(enlarge_on_ray(config, load, tasks, out)) as made:
        return {task.source.name: record for task, record in made}


def test_a_killed_workers_photo_still_arrives_and_one_that_kills_every_worker_costs_a_line(
    config: RunConfig, load: Load, photos: Path, tmp_path: Path, ray_cluster: None
) -> None:
    out, once, ever = tmp_path / "out", photos / "a.png", photos / "b.png"
    made = enlarged(config, deadly(load, {once: 1, ever: 99}), tasks_of(photos, out), out)
    assert (once.with_suffix(".deaths").stat().st_size, ever.with_suffix(".deaths").stat().st_size) == (1, 3)
    errors = {name: record.error for name, record in made.items()}
    assert errors == {"a.png": "", "b.png": f"{ever}: its worker died 3 times", "c.png": ""}
    assert {path.name for path in out.glob("*.png")} == {"a.png", "c.png"}


def test_workers_that_are_not_restarted_end_it(
    config: RunConfig, load: Load, photos: Path, tmp_path: Path, ray_cluster: None
) -> None:
    out, rollout = tmp_path / "out", config.rollout.model_copy(update={"workers": 1, "max_restarts": 0})
    once = config.model_copy(update={"rollout": rollout})
    with pytest.raises(NoWorkers, match=r"every worker has died for good \(rollout\.max_restarts: 0\); the last: \S"):
        enlarged(once, deadly(load, {photos / "a.png": 1}), tasks_of(photos, out), out)


def test_workers_that_there_is_no_place_for_are_named(
    config: RunConfig, load: Load, photos: Path, tmp_path: Path, ray_cluster: None
) -> None:
    resources = config.rollout.resources.model_copy(update={"label_selector": {"oars-pool": "nowhere"}})
    rollout = config.rollout.model_copy(update={"resources": resources})
    control = config.control.model_copy(update={"start_deadline_s": 0.5})
    nowhere = config.model_copy(update={"rollout": rollout, "control": control})
    out = tmp_path / "out"
    with pytest.raises(NoWorkers, match=r"nowhere.* requested and none up"):
        enlarged(nowhere, load, tasks_of(photos, out), out)


def test_a_folder_that_a_worker_does_not_see_is_named(
    config: RunConfig, load: Load, photos: Path, tmp_path: Path, ray_cluster: None
) -> None:
    out = tmp_path / "out"
    [task, *_] = tasks_of(photos, out)
    task.source.unlink()
    with pytest.raises(NotShared, match=f"{photos}: a node of the cluster does not see it"):
        enlarged(config, load, [task], out)
