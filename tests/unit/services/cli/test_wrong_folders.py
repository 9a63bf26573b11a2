"""A folder that holds something else, or a target that cannot be written: one line, before a model loads or a cluster
starts."""

from pathlib import Path

import pytest
from command_line import fails_with
from PIL import Image

pytestmark = pytest.mark.usefixtures("no_cluster")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("compass eval miniature --benchmark {folder}", "{folder}: neither mos.csv nor"),
        ("compass eval miniature --benchmark {note}", "{note}: no such folder"),
        ("compass eval miniature {folder}", "{folder}"),
        ("compass eval miniature {folder} --ablation --config {aside}.yaml", "{aside}.yaml: cannot be read"),
        ("compass train {folder} --out {aside}/judge", "{folder}"),
        ("compass calibrate miniature {folder} --out {aside}/calibration.json", "{folder}"),
        ("compass annotate {folder}", "{folder}"),
        ("compass curate --set synthetic.photos=[{folder}]", "{folder}"),
        ("eval {folder} --model base", "{folder}: no pictures, and no folders"),
        ("eval --degrade {folder}", "{folder}: no pictures"),
        ("eval {note}", "{note}: no such folder"),
        ("eval {photos} --model bicubic --model theirs=folder:{aside}", "{aside}: no such folder"),
        ("eval {photos} --model run:gone --runs {aside}", "no run 'gone' in {aside}"),
        ("study make {aside}/study -m ours={photos} -m theirs={note}", "{note}: no such folder"),
        ("upscale {folder}", "no photos in {folder}"),
        ("upscale {note}", "{note}"),
        ("upscale {aside}.png", "{aside}.png: no such photo or folder"),
        ("upscale {photos} {aside}.png", "{aside}.png: no such photo or folder"),
        ("upscale {photos}/a.png --out {note}/a.png", "{note}/a.png: cannot be written"),
        ("score {note} {note}", "{note}"),
        ("export {folder}", "{folder}"),
        ("export --judge miniature --out {folder}", "{folder}: exists already"),
        ("study make {aside}/study --eval {folder}", "{folder}: no results.json"),
        ("study make {folder} --eval {folder}", "{folder}: exists; a study is made once"),
        ("study make {note} --eval {folder}", "{note}: exists; a study is made once"),
        ("study tally {folder}", "{folder}"),
        ("simulate --replay {folder}", "{folder}/config.yaml"),
        ("simulate {folder}", "{folder}"),
        ("experiment {folder}/e.yaml", "{folder}"),
        ("miniature build --start {folder} --out {aside}/made", "no model in {folder}"),
        ("miniature verify --models {folder}", "{folder}"),
        ("models pull {folder}", "{folder}"),
        ("align --set runs={note}", "{note}: cannot be written"),
        ("compass curate --out {note}", "{note}: cannot be written"),
        ("simulate --keep {note}", "{note}: cannot be written"),
        ("bench reward --output {note}", "{note}: cannot be written"),
        ("miniature build --out {note}", "{note}: cannot be written"),
        ("eval {photos} --model bicubic --out {note}", "{note}: is a file"),
    ],
)
def test_a_wrong_folder_or_file_is_named(command: str, said: str, tmp_path: Path) -> None:
    places = {"folder": tmp_path / "notes", "aside": tmp_path / "aside", "photos": tmp_path / "photos"}
    for name in ("folder", "photos"):
        places[name].mkdir()
    places["note"] = places["folder"] / "a.txt"
    places["note"].write_text("no picture")
    Image.new("RGB", (16, 16)).save(places["photos"] / "a.png")
    line = fails_with(*(word.format(**places) for word in command.split()))
    assert said.format(**places) in line
    assert not places["aside"].exists() and list(places["folder"].iterdir()) == [places["note"]]


def test_a_benchmark_whose_picture_is_missing(tmp_path: Path) -> None:
    (tmp_path / "lr").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "lr" / "bird.png")
    (tmp_path / "mos.csv").write_text("file,score\nbird_seesr.png,3\n")
    line = fails_with("compass", "eval", "miniature", "--benchmark", str(tmp_path))
    assert f"{tmp_path / 'bird_seesr.png'}: no such picture" in line
