"""The command line: help at once, and one clear line for whatever the user got wrong."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import fails_with, runner, with_aligned_weights
from PIL import Image

from oars.config import RunConfig, load_profile
from oars.deployment import deploy_path
from oars.report.summary import Summary, write_summary
from reward_server.gateway.tokens import parse_tokens
from services.cli.main import app
from services.run.beginning import begin_run
from services.run.ledger import Ledger
from services.run.run_directory import claimed


@pytest.mark.parametrize("command", ["align", "doctor"])
def test_a_bad_profile_is_one_line_naming_file_and_field(command: str, tmp_path: Path) -> None:
    profile = tmp_path / "p.yaml"
    assert str(profile) in fails_with(command, "--profile", str(profile))
    profile.write_text("control: {max_stalenes: 0}\n")
    assert "control.max_stalenes" in fails_with(command, "--profile", str(profile))
    profile.write_text("a: [1\n")
    assert "not YAML" in fails_with(command, "--profile", str(profile))


def test_a_bad_override_is_one_line(tmp_path: Path) -> None:
    profile = tmp_path / "p.yaml"
    profile.write_text("{}\n")
    assert "seed" in fails_with("align", "--profile", str(profile), "--set", "seed=-1")
    assert "expected field=value" in fails_with("align", "--profile", str(profile), "--set", "seed")


def test_a_reward_or_judge_that_cannot_be_imported_is_one_line_before_a_cluster_starts() -> None:
    nowhere = "'nowhere.reward' cannot be imported"
    assert f"reward.function: {nowhere}" in fails_with("align", "--fresh", "--set", "reward.function=nowhere.reward")
    assert f"judge.class_path: {nowhere}" in fails_with("align", "--fresh", "--set", "judge.class_path=nowhere.reward")
    wrong = fails_with("align", "--fresh", "--set", "reward.parameters={delta: 7}")
    assert "reward.parameters: oars.compass.formula.compass_reward takes no delta" in wrong


def test_a_missing_run_is_one_line(tmp_path: Path) -> None:
    assert "ghost" in fails_with("runs", "show", "ghost", "--runs", str(tmp_path))
    assert "ghost" in fails_with("report", "ghost", "--runs", str(tmp_path))


def test_upscale_takes_the_generator_of_the_run(tmp_path: Path) -> None:
    config = RunConfig.model_validate({"runs": tmp_path, "generator": {"path": str(tmp_path / "full-size")}})
    with_aligned_weights(begin_run(config, "done"))
    photo = tmp_path / "photo.png"
    Image.new("RGB", (32, 32)).save(photo)
    assert "full-size" in fails_with("upscale", str(photo), "--run", "done", "--runs", str(tmp_path))


def test_a_run_without_a_summary_is_listed_and_its_ledger_is_shown(tmp_path: Path) -> None:
    directory = begin_run(RunConfig(runs=tmp_path), "unfinished-run")
    assert "no ledger" in fails_with("runs", "show", "unfinished-run", "--runs", str(tmp_path))
    Ledger.drive(directory / "ledger.sqlite").close()
    assert "unfinished-run" in runner.invoke(app, ["runs", "list", "--runs", str(tmp_path)]).output
    shown = runner.invoke(app, ["runs", "show", "unfinished-run", "--runs", str(tmp_path)])
    assert shown.exit_code == 0 and "no summary.json" in shown.output and "admitted 0" in shown.output


def test_check_tells_a_ledger_in_order_from_one_that_is_not(tmp_path: Path) -> None:
    directory = begin_run(RunConfig(runs=tmp_path), "r1")
    ledger = Ledger.drive(directory / "ledger.sqlite")
    ledger.admit("a", 0, "fr_rl", 0, "photo", seed=1, version=0)
    check = ["runs", "check", "r1", "--runs", str(tmp_path)]
    assert runner.invoke(app, check).exit_code == 0
    write_summary(Summary(run_id="r1", name="n", status="succeeded", started_at=""), directory)
    done = runner.invoke(app, check)
    assert done.exit_code == 1 and "group a: admitted but never left" in done.output
    ledger.close()


def test_a_run_is_listed_and_shown(tmp_path: Path) -> None:
    directory = begin_run(RunConfig(runs=tmp_path), "r1")
    Ledger.drive(directory / "ledger.sqlite").close()
    write_summary(Summary(run_id="r1", name="n", status="stopped", reason="SIGTERM received", started_at=""), directory)
    assert "stopped" in runner.invoke(app, ["runs", "list", "--runs", str(tmp_path)]).output
    shown = runner.invoke(app, ["runs", "show", "r1", "--runs", str(tmp_path)])
    assert shown.exit_code == 0 and "SIGTERM received" in shown.output


def test_the_same_command_again_is_known_before_a_cluster_starts(tmp_path: Path) -> None:
    command = ["align", "--run-id", "r1", "--set", f"runs={tmp_path}"]
    directory = begin_run(load_profile(deploy_path(), [f"runs={tmp_path}"]), "r1")
    assert "r1' exists with another seed: 0, not 5;" in fails_with(*command, "--set", "seed=5")
    with claimed(directory):
        assert "being driven" in fails_with(*command)
        assert "being driven" in fails_with("align", "--resume", "r1", "--runs", str(tmp_path))
    write_summary(Summary(run_id="r1", name="n", status="succeeded", started_at=""), directory)
    done = runner.invoke(app, command)
    assert done.exit_code == 0 and "r1 has succeeded already" in done.output


@pytest.mark.parametrize("override", ["data.scale=2", "generator.path=/models/other"])
def test_what_contradicts_the_run_is_one_line_naming_the_field(override: str, tmp_path: Path) -> None:
    with_aligned_weights(begin_run(load_profile(deploy_path(), [f"runs={tmp_path}"]), "x4"))
    profile, photo = tmp_path / "mine.yaml", tmp_path / "a.png"
    group, _, leaf = override.partition(".")
    profile.write_text(f"{group}: {{{leaf.replace('=', ': ')}}}\n")
    Image.new("RGB", (64, 64)).save(photo)
    command = ["upscale", str(photo), "--run", "x4", "--runs", str(tmp_path)]
    assert fails_with(*command, "--profile", str(profile)).startswith(f"error: {profile}: {override.split('=')[0]}: ")
    assert fails_with(*command, "--set", override).startswith(f"error: --set: {override.split('=')[0]}: ")


def test_a_report_goes_where_it_is_wanted(tmp_path: Path) -> None:
    directory, out = begin_run(RunConfig(runs=tmp_path), "r1"), tmp_path / "mine.html"
    assert runner.invoke(app, ["report", "r1", "--runs", str(tmp_path), "--out", str(out)]).exit_code == 0
    assert out.read_text().startswith("<!doctype html>") and not (directory / "report.html").exists()


def said_and_loaded(*arguments: str) -> tuple[str, str]:
    """What a command prints, and the heavy packages that it had loaded at its end."""
    script = (
        "import sys; from services.cli.main import app\n"
        f"try: app({list(arguments)!r})\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'ray', 'vllm', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr, done.stdout.splitlines()[-1]


def test_help_loads_neither_torch_nor_ray() -> None:
    said, loaded = said_and_loaded("--help")
    assert "align" in said and loaded == "[]"


def test_a_run_that_is_not_there_is_said_before_torch_loads(tmp_path: Path) -> None:
    picture = tmp_path / "photo.png"
    picture.write_bytes(b"")
    for command in (["upscale", str(picture), "--run", "gone"], ["export", "gone"]):
        said, loaded = said_and_loaded(*command, "--runs", str(tmp_path))
        assert f"no run 'gone' in {tmp_path}" in said and loaded == "[]"


def test_a_picture_or_a_place_that_cannot_be_used_is_said_before_torch_loads(tmp_path: Path) -> None:
    note, gone = tmp_path / "a.txt", tmp_path / "gone.png"
    note.write_text("no picture")
    for command, wrong in (
        (["upscale", str(gone)], gone),
        (["upscale", str(note)], note),
        (["score", str(gone), str(gone)], gone),
        (["export", "--judge", "miniature", "--out", str(tmp_path)], tmp_path),
    ):
        said, loaded = said_and_loaded(*command)
        assert f"error: {wrong}: " in said and loaded == "[]", command


def test_a_folder_that_is_no_benchmark_is_said_before_torch_loads(tmp_path: Path) -> None:
    for command in (["eval"], ["eval", "--degrade"], ["compass", "eval", "miniature", "--benchmark"]):
        said, loaded = said_and_loaded(*command, str(tmp_path / "gone"))
        assert f"error: {tmp_path / 'gone'}: no such folder" in said and loaded == "[]", command


def test_a_gateway_that_would_be_open_to_the_world_does_not_open(tmp_path: Path) -> None:
    assert "host: 0.0.0.0 is open to others and needs tokens" in fails_with("serve", "--host", "0.0.0.0")
    assert "certificate and key: give both or neither" in fails_with("serve", "--key", str(tmp_path / "k"))
    assert "tokens: " in fails_with("serve", "--tokens", str(tmp_path / "gone"))


def test_a_new_token_fits_a_token_file() -> None:
    line = runner.invoke(app, ["serve", "token", "alice", "--days", "1"]).stdout
    [token] = parse_tokens(line, "line").known
    assert token.name == "alice" and token.expires is not None
    assert 0 < token.expires - time.time() <= 86_400


def test_a_wrong_endpoint_is_one_line(tmp_path: Path) -> None:
    picture = str(tmp_path / "a.png")
    Image.new("RGB", (64, 64)).save(picture)
    assert "endpoint: 'ftp://x'" in fails_with("score", picture, picture, "--endpoint", "ftp://x")
    nobody = "grpc://127.0.0.1:9"
    assert nobody in fails_with("score", picture, picture, "--endpoint", nobody)
    assert nobody in fails_with("bench", "reward", "--endpoint", nobody)
    profile = tmp_path / "p.yaml"
    profile.write_text(f"reward: {{endpoint: '{nobody}'}}\ndata: {{crop: 96, evaluation_crop: 96}}\n")
    assert nobody in fails_with("bench", "reward", "--profile", str(profile))
    gone = str(tmp_path / "gone")
    assert "token_file: " in fails_with("score", picture, picture, "--endpoint", nobody, "--token-file", gone)


def test_the_service_commands_say_what_is_wrong_before_they_look_for_a_cluster(tmp_path: Path) -> None:
    assert "less than min replicas" in fails_with("serve", "scale", "2", "1")
    assert "no model in" in fails_with("serve", "replace", "--judge", str(tmp_path))
    assert "reward.endpoint" in fails_with("bench", "reward", "--endpoint", "ftp://somewhere")


def test_a_role_alone_says_what_is_wrong_before_it_looks_for_a_cluster(tmp_path: Path) -> None:
    profile = tmp_path / "p.yaml"
    profile.write_text("data: {photos: /nowhere, crop: 96, evaluation_crop: 96}\n")
    assert "no photos in '/nowhere'" in fails_with("simulate", "--rollouts", str(profile))
    directory = begin_run(load_profile(deploy_path(), [f"runs={tmp_path}"]), "r1")
    Ledger.drive(directory / "ledger.sqlite").close()
    assert "no saved batches" in fails_with("simulate", "--replay", str(directory))


def test_a_data_set_that_cannot_be_made_or_labelled_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("enhancers: [{name: a, kind: classical, method: cubic}, {name: b, kind: classical}]\n")
    assert "enhancers.0" in fails_with("compass", "curate", "--config", str(config))
    assert "curate" in fails_with("compass", "annotate", str(tmp_path))
    assert "--stage anchor:" in fails_with("compass", "annotate", str(tmp_path), "--stage", "anchor")
    assert "anchors.vlm" in fails_with("compass", "annotate", str(tmp_path), "--set", "anchors.source=vlm")


@pytest.mark.parametrize(
    "command",
    [
        ("align",),
        ("serve", "scale", "2"),
        ("bench", "reward"),
        ("compass", "curate"),
        ("compass", "annotate"),
        ("compass", "train", "data"),
    ],
)
def test_the_job_server_s_address_is_no_cluster_s(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    assert "expected HOST:PORT" in fails_with(*command)


def test_a_folder_that_cannot_be_evaluated_on_is_said_before_a_cluster_starts(tmp_path: Path) -> None:
    """The hash of this name puts it into the training."""
    Image.new("RGB", (640, 480)).save(tmp_path / "DSC_0015.jpg")
    line = fails_with("align", "--set", f"data.photos={tmp_path}")
    assert f"no evaluation photos in '{tmp_path}'" in line and "1 to train on, 0 to evaluate on" in line
    doctor = runner.invoke(app, ["doctor", "--set", f"data.photos={tmp_path}"])
    assert doctor.exit_code == 1 and "1 to train on, 0 to evaluate on" in doctor.output


@pytest.mark.parametrize("command", [("align", "--fresh"), ("align", "--dry-run")])
def test_a_refresh_that_could_not_be_made_is_one_line_before_a_cluster_starts(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    """Two photos to train on, by the hashes of their names, and one to evaluate on."""
    for name in ("DSC_0015.jpg", "b0.jpg", "a1.jpg"):
        Image.effect_noise((640, 480), 64).save(tmp_path / name)
    training = tmp_path / "training.yaml"
    asked = [f"--set=data.photos={tmp_path}", f"--set=runs={tmp_path / 'runs'}", "--set=stages.refresh={}"]
    given = [*command, "--set=stages.refresh={training: '" + str(training) + "'}"]
    assert f"stages.refresh.training: {training}: cannot be read" in fails_with(*given)
    training.write_text("{step: 3}")
    assert f"stages.refresh.training: {training}: step: " in fails_with(*given)
    assert "stages.refresh: pictures of 3 photos are needed" in fails_with(*command, *asked)
    few = ["--set=stages.fr_rl.steps=1", "--set=stages.fr_rl.groups=2", "--set=stages.refresh={}"]
    assert "FR-RL would show 2 crops" in fails_with(*command, *few)
    doctor = runner.invoke(app, ["doctor", *given[-1:], *few[:2]])
    assert doctor.exit_code == 1 and f"MISS refresh: stages.refresh.training: {training}" in doctor.output
    assert "MISS photos: stages.refresh: " in doctor.output


def test_a_dry_run_prints_the_plan_and_starts_nothing(tmp_path: Path) -> None:
    shown = runner.invoke(app, ["align", "--dry-run", "--set", f"runs={tmp_path}"])
    assert shown.exit_code == 0 and "FR-RL: 22 steps of 4 groups of 8 candidates" in shown.output
    assert "5 to train on, 3 to evaluate on" in shown.output and not list(tmp_path.iterdir())
    elsewhere = [
        "--set",
        "reward.endpoint=http://judge:8000",
        "--set",
        "judge.path=/not/here",
        "--set",
        "stages.fr_rl.steps=0",
    ]
    shown = runner.invoke(app, ["align", "--dry-run", *elsewhere, "--set", f"runs={tmp_path}"])
    assert shown.exit_code == 0 and "judge: http://judge:8000" in shown.output
    assert "wanted together" in fails_with("align", "--dry-run", "--set", "rollout.resources.num_gpus=1000")
    assert "no photos in '/nowhere'" in fails_with("align", "--dry-run", "--set", "data.photos=/nowhere")


def test_a_target_that_cannot_be_written_is_said_before_the_model_loads(tmp_path: Path) -> None:
    picture = tmp_path / f"{251 * 'a'}.png"
    Image.new("RGB", (64, 64)).save(picture)
    assert "cannot be written: File name too long" in fails_with("upscale", str(picture))
    assert "expected a name that ends in .png" in fails_with("upscale", str(picture), "--out", str(tmp_path / "a.gif"))
