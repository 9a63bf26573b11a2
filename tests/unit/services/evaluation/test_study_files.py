"""A study from pictures to a blinded page, votes over HTTP, and what is refused."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oars.evaluation.benchmark_files import BadBenchmark
from oars.evaluation.study import BadStudy
from oars.report.study_page import study_id
from services.evaluation.study_files import KEY, PAGE, make_study, read_study, tally_study
from services.evaluation.study_server import make_server
from services.evaluation.study_sources import of_folders, of_run
from services.evaluation.votes import VOTES, open_votes, read_votes


def pictures(folder: Path, names: str, level: int, size: int = 32) -> Path:
    folder.mkdir()
    for i, name in enumerate(names):
        pixels = np.random.default_rng(i).integers(0, level, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {"ours": pictures(tmp_path / "ours", "abc", 200), "theirs": pictures(tmp_path / "theirs", "abcd", 100)}


@pytest.fixture
def study(folders: dict[str, Path], tmp_path: Path) -> Path:
    make_study(of_folders(folders, None, folders["ours"]), tmp_path / "study", None, 2, 512, True, seed=0)
    return tmp_path / "study"


def test_the_page_is_blinded_and_needs_nothing_else(study: Path) -> None:
    page, key = (study / PAGE).read_text(), read_study(study)
    assert not {"ours", "theirs"} & set(page.replace('"', " ").split())
    assert "src=" not in page and "href=" not in page.replace("link.href=", "").replace(".href =", "")
    assert {trial.id for trial in key.trials} == set(json.loads(_embedded(page))["order"])
    assert len(key.trials) == 3 + 2


def _embedded(page: str) -> str:
    """Ids of the trials on the page."""
    text = page.split('<script type="application/json" id="study">')[1].split("</script>")[0]
    return json.dumps({"order": [trial["id"] for trial in json.loads(text)["trials"]]})


def test_a_study_is_made_once(study: Path, folders: dict[str, Path]) -> None:
    before = (study / KEY).read_text()
    with pytest.raises(BadStudy, match="made once"):
        make_study(of_folders(folders, None, None), study, None, 0, 512, True, seed=1)
    assert (study / KEY).read_text() == before


def test_sources_that_do_not_fit_are_named(folders: dict[str, Path], tmp_path: Path) -> None:
    small = pictures(tmp_path / "small", "abc", 200, size=16)
    with pytest.raises(BadStudy, match="differ in size"):
        of_folders(folders | {"small": small}, None, None)
    other = pictures(tmp_path / "other", "xyz", 200)
    with pytest.raises(BadStudy, match="no picture's name is in all of"):
        of_folders(folders | {"other": other}, None, None)
    with pytest.raises(BadBenchmark, match="no such folder"):
        of_folders(folders, tmp_path / "nowhere", None)


def test_a_runs_samples_are_scenes_with_their_scores(tmp_path: Path) -> None:
    samples = pictures(tmp_path / "samples", "abc", 200)
    index = [
        {
            "image_id": "photo@0",
            "images": {"lr": "a.png", "sft": "b.png", "aligned": "c.png", "gt": "a.png"},
            "scores": {"sft": {"psnr": 20.0, "reward": None}, "aligned": {"psnr": 21.0, "reward": 2.0}},
        }
    ]
    (samples / "index.json").write_text(json.dumps(index))
    [scene] = of_run(tmp_path, [])
    assert list(scene.outputs) == ["sft", "aligned"] and scene.gt is not None
    assert scene.values == {"sft": {"psnr": 20.0}, "aligned": {"psnr": 21.0, "reward": 2.0}}
    with pytest.raises(BadStudy, match="no model 'base'; it has sft, aligned"):
        of_run(tmp_path, ["base"])


@contextmanager
def served(folder: Path) -> Iterator[tuple[http.client.HTTPConnection, str]]:
    """A connection, and the token of a rater."""
    with open_votes(folder) as votes, make_server(folder, read_study(folder), votes, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        [token] = votes.new_raters(1)
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        try:
            yield connection, token
        finally:
            connection.close()
            server.shutdown()
            thread.join()


def post(connection: http.client.HTTPConnection, token: str, body: object) -> int:
    text = body if isinstance(body, str) else json.dumps(body)
    connection.request("POST", "/votes", text, {"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_a_vote_is_kept_replaced_and_read_back_by_its_rater_alone(study: Path) -> None:
    trial = read_study(study).trials[0].id
    with served(study) as (connection, token):
        assert post(connection, token, {"trial": trial, "choice": "a", "milliseconds": 900}) == 204
        assert [vote.choice for vote in read_votes(study)] == ["a"]
        assert post(connection, token, {"trial": trial, "choice": "tie", "milliseconds": 800}) == 204
        connection.request("GET", "/votes", headers={"Authorization": f"Bearer {token}"})
        own = json.loads(connection.getresponse().read())
    assert own == [{"trial": trial, "choice": "tie", "milliseconds": 800}]
    with served(study) as (connection, another):
        connection.request("GET", "/votes", headers={"Authorization": f"Bearer {another}"})
        assert json.loads(connection.getresponse().read()) == []
    assert [(vote.rater, vote.choice) for vote in read_votes(study)] == [("rater 1", "tie")]
    assert token.encode() not in (study / VOTES).read_bytes()


def test_what_is_no_vote_is_refused(study: Path) -> None:
    good = {"trial": read_study(study).trials[0].id, "choice": "a", "milliseconds": 900}
    with served(study) as (connection, token):
        bad: list[object] = [
            good | {"choice": "left"},
            good | {"trial": "other"},
            good | {"rater": "rater 9", "extra": 1},
            good | {"milliseconds": -1},
            "no json",
            [1],
            "x" * 5000,
        ]
        assert [post(connection, token, body) for body in bad] == [400] * len(bad)
        assert post(connection, "guess", good) == 403
        for path, status in (("/", 403), ("/?token=guess", 403), (f"/?token={token}", 200), ("/study.json", 404)):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
    assert not read_votes(study)


def test_saved_votes_are_counted_and_those_of_another_study_refused(study: Path, tmp_path: Path) -> None:
    made, saved = read_study(study), tmp_path / "votes.json"
    votes = [{"trial": trial.id, "choice": trial.right or "a", "milliseconds": 5} for trial in made.trials]
    saved.write_text(json.dumps({"study": study_id(made), "rater": "ann", "votes": votes}))
    assert tally_study(study, [saved]).votes == 3
    assert "ann" in (study / "tally.md").read_text()
    saved.write_text(json.dumps({"study": "another", "rater": "ann", "votes": votes}))
    with pytest.raises(BadStudy, match="votes of another study"):
        tally_study(study, [saved])
    saved.write_text("half a fi")
    with pytest.raises(BadStudy, match="no saved votes"):
        tally_study(study, [saved])
