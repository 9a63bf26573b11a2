"""COMPASS in a real cluster: Serve, vLLM and a small random judge."""

import asyncio
from pathlib import Path

import pytest
import ray
from served_judge import APP, compass, group, judge_config, photo, sharp_judge

from oars.compass.formula import compass_reward
from oars.compass.outcome import Failed, FailureReason, Scored
from oars.compass.prompt import PROMPT_VERSION
from oars.config import RewardClientConfig
from reward_server.checkpoint import judge_digest
from reward_server.client import CompassClient
from reward_server.errors import BadJudge, BadRequest
from reward_server.schema import ScoreResponse
from services.launch.serving import deploy

__all__ = ["compass", "sharp_judge"]  # fixtures


def scores(response: ScoreResponse) -> list[Scored]:
    assert all(isinstance(outcome, Scored) for outcome in response.outcomes), response.outcomes
    return [outcome for outcome in response.outcomes if isinstance(outcome, Scored)]


def test_a_group_shares_q_lr_and_carries_its_provenance(compass: CompassClient, sharp_judge: Path) -> None:
    lr, candidates = group(1, 4)
    response = asyncio.run(compass.score("group-1", lr, candidates))
    scored = scores(response)
    assert len({score.q_lr for score in scored}) == 1
    assert len({score.q_sr for score in scored}) == 4
    assert response.judged_fidelity == [score.fidelity for score in scored]
    assert response.provenance is not None
    assert response.provenance.judge_digest == judge_digest(sharp_judge)
    assert response.provenance.prompt_version == PROMPT_VERSION
    assert (response.provenance.gamma, response.provenance.attempt) == (7.0, 0)
    assert response.provenance.replica


def test_a_score_depends_on_no_neighbour_and_repeats(compass: CompassClient) -> None:
    lr, candidates = group(2, 3)

    async def both() -> tuple[ScoreResponse, ScoreResponse]:
        reference = ray.put(candidates[::-1].copy())
        return await compass.score("a", lr, candidates), await compass.score("b", lr, reference, count=3)

    forward, backward = (scores(response) for response in asyncio.run(both()))
    for one, other in zip(forward, reversed(backward), strict=True):
        assert one.model_dump(exclude={"kind"}) == pytest.approx(other.model_dump(exclude={"kind"}), abs=1e-4)


def test_a_bad_candidate_fails_alone(compass: CompassClient) -> None:
    lr, candidates = group(3, 2)
    mixed = [candidates[0], photo(4, 24), photo(4, 64), candidates[1]]
    first, small, other_size, last = asyncio.run(compass.score("mixed", lr, mixed)).outcomes
    assert isinstance(first, Scored) and isinstance(last, Scored)
    assert isinstance(small, Failed) and isinstance(other_size, Failed)
    assert small.reason is other_size.reason is FailureReason.BAD_IMAGE


def test_measured_fidelity_replaces_the_judges(compass: CompassClient) -> None:
    lr, candidates = group(5, 3)
    response = asyncio.run(compass.score("fr", lr, candidates, fidelity=[0.25, 1.0, float("nan")]))
    low, high, failed = response.outcomes
    assert isinstance(low, Scored) and isinstance(high, Scored) and isinstance(failed, Failed)
    assert low.reward == pytest.approx(compass_reward(0.25, low.q_lr, low.q_sr))
    assert high.reward == pytest.approx(high.q_sr)
    assert failed.reason is FailureReason.NON_FINITE
    assert None not in response.judged_fidelity and response.judged_fidelity[0] != 0.25


def test_a_wrong_request_is_raised_and_not_repeated(compass: CompassClient) -> None:
    lr, candidates = group(6, 2)
    with pytest.raises(BadRequest, match="fidelity: 1 values for 2 candidates"):
        asyncio.run(compass.score("wrong", lr, candidates, fidelity=[1.0]))


def test_a_late_answer_is_cancelled_and_fails_every_candidate(compass: CompassClient) -> None:
    lr, candidates = group(7, 8)
    impatient = CompassClient(RewardClientConfig(app=APP, attempts=2, backoff_s=0.01))
    response = asyncio.run(impatient.score("late", lr, candidates, deadline_s=0.001))
    assert response.provenance is None
    assert [getattr(outcome, "reason", None) for outcome in response.outcomes] == [FailureReason.DEADLINE] * 8


def test_an_absent_application_fails_every_candidate(ray_cluster: None) -> None:
    lr, candidates = group(8, 2)
    client = CompassClient(RewardClientConfig(app="nobody", patience_s=0.01))
    response = asyncio.run(client.score("absent", lr, candidates))
    assert [getattr(outcome, "reason", None) for outcome in response.outcomes] == [FailureReason.UNAVAILABLE] * 2


def test_a_missing_judge_is_one_line_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(BadJudge, match=r"^judge: no model in [^\n]+$"):
        deploy(judge_config(tmp_path / "gone"))
