"""A reward of one's own, without a fork: a function of COMPASS' readings, and a judge that is a class."""

import asyncio
import importlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
from alignment_job import finished, profile, start
from served_judge import APP, SIDE, compass, group, judge_config, photo, sharp_judge

from docs.examples.faithful_gain import faithful_gain
from docs.examples.sharpness import Sharpness, sharp_reward
from oars.compass.formula import compass_reward
from oars.compass.outcome import Judged, Scored
from oars.config import DataConfig, GatewayConfig, JudgeConfig, RewardClientConfig, RolloutConfig, RunConfig
from oars.imaging.crops import Pair
from reward_server.checkpoint import judge_identity
from reward_server.client import CompassClient, SyncCompassClient
from services.control.compass import connect_compass
from services.control.protocols import Judgement
from services.launch.serving import deploy, deploy_gateway, endpoints
from services.run.telemetry import Telemetry

__all__ = ["compass", "profile", "sharp_judge"]  # fixtures
K = 3
DATA = DataConfig(crop=SIDE, evaluation_crop=SIDE)
OWN_JUDGE = JudgeConfig(class_path="docs.examples.sharpness.Sharpness", max_candidates=8)


def judgement_of(config: RunConfig, folder: Path, pair: Pair, candidates: np.ndarray) -> Judgement:
    """One group, scored as a run that begins now scores it."""
    folder.mkdir(exist_ok=True)
    telemetry = Telemetry(folder, "run", None)
    try:
        judge = connect_compass(config, config.judge, telemetry)
        return asyncio.run(judge.score("group.0", pair, ray.put(candidates), len(candidates)))
    finally:
        telemetry.close()


def rewards(judgement: Judgement) -> list[float]:
    scored = [outcome for outcome in judgement.outcomes if isinstance(outcome, Scored)]
    assert len(scored) == len(judgement.outcomes), judgement.outcomes
    return [outcome.reward for outcome in scored]


def test_an_edited_formula_changes_the_next_runs_rewards_and_provenance_while_compass_stands(
    compass: CompassClient, sharp_judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lr, candidates = group(31, K)
    pair = Pair("photo", lr, photo(31))
    shipped = Path(sys.modules[compass_reward.__module__].__file__ or "").read_text()
    edited = shipped.replace("(q_lr / gamma)", "(gamma / q_lr)")
    assert edited != shipped
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    runs = []
    for source in (shipped, edited):
        (tmp_path / "formula_of_the_day.py").write_text(source)
        sys.modules.pop("formula_of_the_day", None)  # as in a driver that starts
        importlib.invalidate_caches()
        config = RunConfig(
            judge=judge_config(sharp_judge),
            reward=RewardClientConfig(app=APP, function="formula_of_the_day.compass_reward"),
            rollout=RolloutConfig(candidates=K),
            data=DATA,
        )
        runs.append(judgement_of(config, tmp_path / "run", pair, candidates))
    before, after = runs
    readings = [outcome.readings for outcome in before.outcomes if isinstance(outcome, Scored)]
    f, q_lr, q_sr = ([one[name] for one in readings] for name in ("fidelity", "q_lr", "q_sr"))
    assert rewards(before) == [compass_reward(*each) for each in zip(f, q_lr, q_sr, strict=True)]
    assert (
        rewards(after)
        == [x * lr + x ** (7 / lr) * (sr - lr) for x, lr, sr in zip(f, q_lr, q_sr, strict=True)]
        != rewards(before)
    )
    same = ("judge_digest", "replica", "reward_function", "reward_settings")
    assert [before.provenance[name] for name in same] == [after.provenance[name] for name in same]
    assert before.provenance["reward_digest"] != after.provenance["reward_digest"]


def test_fr_rl_takes_measured_fidelity_and_the_divergence_is_the_judges(
    compass: CompassClient, sharp_judge: Path, tmp_path: Path
) -> None:
    lr, candidates = group(32, K)
    gt = candidates[1]
    config = RunConfig(
        judge=judge_config(sharp_judge),
        reward=RewardClientConfig(app=APP),
        rollout=RolloutConfig(candidates=K),
        data=DATA,
    )
    blind = judgement_of(config, tmp_path / "run", Pair("photo", lr, None), candidates)
    measured = judgement_of(config, tmp_path / "run", Pair("photo", lr, gt), candidates)
    own, true = (
        [outcome.readings["fidelity"] for outcome in judgement.outcomes if isinstance(outcome, Scored)]
        for judgement in (blind, measured)
    )
    assert true[1] == pytest.approx(1.0) and max(true[0], true[2]) < 1.0, "one candidate is the ground truth"
    assert blind.divergence is None
    assert measured.divergence == pytest.approx(np.abs(np.subtract(own, true)).mean(), abs=1e-4)
    assert rewards(measured)[1] == pytest.approx(measured.outcomes[1].readings["q_sr"])  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def sharpness(ray_cluster: None) -> Iterator[str]:
    from ray import serve

    deploy(OWN_JUDGE, "sharpness")
    yield "sharpness"
    serve.delete("sharpness")


def test_a_class_judges_behind_the_same_handle_gateways_and_client(sharpness: str) -> None:
    from ray import serve

    lr, candidates = group(33, K)
    expected = Sharpness().score(lr, list(candidates))
    gateway = GatewayConfig(app=sharpness, http_port=0, grpc_port=0)
    urls = endpoints(gateway, deploy_gateway(gateway))
    try:
        for endpoint in (None, *urls):
            with SyncCompassClient(RewardClientConfig(app=sharpness, endpoint=endpoint, deadline_s=60)) as client:
                assert client.describe().readings == ("sharpness", "distance")
                answer = client.score("own", lr, [*candidates, photo(4, 24)])
            *judged, failed = answer.outcomes
            assert [outcome.readings for outcome in judged if isinstance(outcome, Judged)] == expected
            assert not isinstance(failed, Judged), "too small for the judge"
            assert answer.provenance is not None
            assert answer.provenance.judge_digest == judge_identity(OWN_JUDGE)
            assert answer.provenance.prompt_version is None
    finally:
        serve.delete("compass-gateway")


def test_a_run_may_take_its_reward_from_such_a_class(sharpness: str, tmp_path: Path) -> None:
    lr, candidates = group(34, K)
    reward = RewardClientConfig(app=sharpness, function="docs.examples.sharpness.sharp_reward", best=1)
    config = RunConfig(judge=OWN_JUDGE, reward=reward, rollout=RolloutConfig(candidates=K))
    judgement = judgement_of(config, tmp_path, Pair("photo", lr, photo(34)), candidates)
    assert rewards(judgement) == [sharp_reward(**one) for one in Sharpness().score(lr, list(candidates))]


def test_a_run_is_trained_on_a_function_of_ones_own(profile: Path) -> None:
    function = "docs.examples.faithful_gain.faithful_gain"
    own = (f"reward.function={function}", "reward.parameters={least: 0.3}")
    # One step of each RL stage is trained on it; the other parts of a run do not know the reward.
    short = ("stages.cold_start.steps=0", "stages.fr_rl.steps=1", "stages.nr_rl.steps=1", "data.shown_crops=0")
    words = [word for setting in (*own, *short) for word in ("--set", setting)]
    finished(start("--profile", str(profile), "--run-id", "own-reward", *words))
    run = profile.parent / "runs" / "own-reward"
    ledger = sqlite3.connect(run / "ledger.sqlite")
    rows = ledger.execute("SELECT readings, reward, provenance FROM scores JOIN scorings USING (group_id)").fetchall()
    ledger.close()
    assert rows
    for readings, reward, provenance in rows:
        read = json.loads(readings)
        assert reward == faithful_gain(read["fidelity"], read["q_lr"], read["q_sr"], least=0.3)
        assert json.loads(provenance)["reward_function"] == function
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "succeeded"
    assert summary["judge"]["reward_settings"] == "least=0.3" and len(summary["judge"]["reward_digest"]) == 64
