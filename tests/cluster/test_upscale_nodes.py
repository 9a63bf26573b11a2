"""`oars upscale --candidates` on two nodes: both work, and the judge keeps the candidates that it keeps on one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from served_judge import sharp_judge  # noqa: F401
from tiny import picture

from services.results.enlargements import REPORT, Report

pytestmark = pytest.mark.engine

TESTS = Path(__file__).parents[1]
DEADLINE_S = 400


def test_two_nodes_keep_the_candidates_that_one_process_keeps(tmp_path: Path, sharp_judge: Path) -> None:  # noqa: F811
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(4):
        Image.fromarray(picture(number, 20)[:16]).save(photos / f"{number}.png")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ["PYTHONPATH"]])}
    environment.pop("RAY_ADDRESS", None)
    command = [sys.executable, str(TESTS / "cluster" / "upscale_nodes.py"), str(tmp_path), str(sharp_judge)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["loaded"] == told["nodes"]

    here, there = (tmp_path / name for name in ("here", "there"))
    kept = {photo.name: (there / photo.name).read_bytes() for photo in photos.iterdir()}
    assert kept == {name: (here / name).read_bytes() for name in kept}
    judged = [{n: (r.chosen, r.rewards) for n, r in report_of(out).pictures.items()} for out in (here, there)]
    assert judged[0] == judged[1]
    for chosen, rewards in judged[0].values():
        given = [reward for reward in rewards if reward is not None]
        assert len(given) == 2 and chosen == given.index(max(given))


def report_of(out: Path) -> Report:
    return Report.model_validate_json((out / REPORT).read_bytes())
