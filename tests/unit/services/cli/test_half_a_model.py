"""Half a model, such as a clone without git-lfs: one line of every command that would use it, and no work is lost."""

import shutil
from pathlib import Path

import pytest
from command_line import fails_with, runner, with_aligned_weights
from PIL import Image

from oars.config import load_profile
from oars.deployment import deploy_path
from oars.miniature import Part, miniature_path
from services.cli.main import app
from services.run.beginning import begin_run

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
SAID = "a git-lfs pointer"
pytestmark = pytest.mark.usefixtures("no_cluster")


def half(part: Part, weights: str, folder: Path) -> Path:
    directory = shutil.copytree(miniature_path(part), folder / part)
    (directory / weights).write_text(POINTER)
    return directory


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    return half("generator", TRANSFORMER, tmp_path)


@pytest.fixture
def judge(tmp_path: Path) -> str:
    return str(half("judge", "model.safetensors", tmp_path))


@pytest.fixture
def profile(generator: Path, tmp_path: Path) -> str:
    """A profile of half a generator."""
    path = tmp_path / "p.yaml"
    path.write_text(f"data: {{crop: 96, evaluation_crop: 96}}\ngenerator: {{path: {generator}}}\n")
    return str(path)


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 64)).save(path)
    return str(path)


def run_of(runs: Path, *overrides: str) -> Path:
    """A run whose aligned weights are whole."""
    return with_aligned_weights(begin_run(load_profile(deploy_path(), [f"runs={runs}", *overrides]), "r1"))


def experiment_with(arm: str, folder: Path) -> str:
    """One whose second arm has this override."""
    file = folder / "e.yaml"
    file.write_text(f"question: which?\narms: {{plain: [], other: ['{arm}']}}\nexpected: {{reward: up}}\n")
    return str(file)


def test_half_a_generator(profile: str, generator: Path, picture: str, tmp_path: Path) -> None:
    broken = str(generator / TRANSFORMER)
    for command in (
        ["upscale", picture, "--profile", profile],
        ["align", "--profile", profile],
        ["eval", str(tmp_path), "--profile", profile, "--model", "base"],
        ["eval", str(tmp_path), "--model", f"ours=generator:{generator}"],
        ["simulate", "--rollouts", profile],
        ["experiment", experiment_with(f"generator.path={generator}", tmp_path), "--runs", str(tmp_path)],
        ["compass", "curate", "--config", curation(generator, tmp_path)],
    ):
        line = fails_with(*command)
        assert f"{broken}: {SAID}" in line, command
    doctor = runner.invoke(app, ["doctor", "--profile", profile])
    assert doctor.exit_code == 1 and doctor.output.count(SAID) == 1


def curation(generator: Path, folder: Path) -> str:
    file = folder / "c.yaml"
    enhancer = f"{{name: ours, kind: generator, generator: {{path: {generator}}}}}"
    file.write_text(f"crop: 96\nenhancers: [{{name: b, kind: classical, method: bicubic}}, {enhancer}]\n")
    return str(file)


def test_half_of_what_a_run_was_made_with_or_has_made(generator: Path, picture: str, tmp_path: Path) -> None:
    for broken, runs in {
        generator: run_of(tmp_path / "base", f"generator.path={generator}").parent,
        None: run_of(tmp_path / "own").parent,
    }.items():
        if broken is None:
            (runs / "r1/aligned/diffusion_pytorch_model.safetensors").write_text(POINTER)
        for command in (
            ["upscale", picture, "--run", "r1"],
            ["export", "r1", "--out", str(tmp_path / "exported")],
            ["eval", str(tmp_path), "--model", "run:r1"],
        ):
            line = fails_with(*command, "--runs", str(runs))
            assert f"{broken or runs / 'r1/aligned'}" in line and SAID in line, command
    assert not (tmp_path / "exported").exists()


def test_half_a_judge(judge: str, picture: str, tmp_path: Path) -> None:
    run_of(tmp_path / "runs", f"judge.path={judge}")
    data, runs, asked = str(tmp_path), str(tmp_path / "runs"), f"judge.path={judge}"
    vlm = ["anchors.source=vlm", f"anchors.vlm={{engine: {{path: {judge}}}}}"]
    judged = tmp_path / "judged.yaml"
    judged.write_text(f"judge: {{path: {judge}}}\n")
    for command in (
        ["align", "--set", asked],
        ["align", "--dry-run", "--set", asked],
        ["score", picture, picture, "--judge", judge],
        ["upscale", picture, "--profile", str(judged), "--candidates", "2"],
        ["serve", "--judge", judge],
        ["serve", "replace", "--judge", judge],
        ["serve", "self-test", judge],
        ["export", "--judge", judge, "--out", str(tmp_path / "exported")],
        ["eval", data, "--model", "bicubic", "--judge", judge, "--out", str(tmp_path / "evaluated")],
        ["bench", "reward", "--profile", str(judged)],
        ["experiment", experiment_with(asked, tmp_path), "--runs", runs],
        ["compass", "train", data, "--init", judge],
        ["compass", "refresh", "r1", "--runs", runs],
        ["compass", "calibrate", judge, data],
        ["compass", "eval", judge, data],
        ["compass", "eval", judge, "--benchmark", data],
        ["compass", "eval", "miniature", data, "--beside", judge],
        ["compass", "annotate", data, "--set", vlm[0], "--set", vlm[1]],
    ):
        line = fails_with(*command)
        assert f"{judge}/model.safetensors: {SAID}" in line, command
    assert not (tmp_path / "exported").exists() and not (tmp_path / "evaluated").exists()
    doctor = runner.invoke(app, ["doctor", "--set", asked])
    assert doctor.exit_code == 1 and doctor.output.count(SAID) == 1
