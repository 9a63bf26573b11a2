"""COMPASS in a real cluster: Serve, vLLM and a small random judge."""

import asyncio
from pathlib import Path

import pytest
import ray
from served_judge import APP, compass, group, judge_config, photo, sharp_judge

from oars.compass.formula import READINGS
from oars.compass.outcome import Failed, FailureReason, Judged
from oars.compass.prompt import NEWEST
from oars.config import RewardClientConfig
from reward_server.checkpoint import judge_digest
from reward_server.client import CompassClient
from reward_server.errors import BadJudge, BadRequest
from reward_server.schema import ScoreResponse
from services.launch.serving import deploy

__all__ = ["compass", "sharp_judge"]  # fixtures


def readings(response: ScoreResponse) -> list[dict[str, float]]:
    assert all(isinstance(outcome, Judged) for outcome in response.outcomes), response.outcomes
    return [outcome.readings for outcome in response.outcomes if isinstance(outcome, Judged)]


def test_a_group_shares_q_lr_and_carries_its_provenance(compass: CompassClient, sharp_judge: Path) -> None:
    lr, candidates = group(1, 4)
    response = asyncio.run(compass.score("group-1", lr, candidates))
    read = readings(response)
    assert len({one["q_lr"] for one in read}) == 1
    assert len({one["q_sr"] for one in read}) == 4
    assert all(one.keys() == set(READINGS) for one in read)
    assert response.provenance is not None
    assert response.provenance.judge_digest == judge_digest(sharp_judge)
    assert response.provenance.prompt_version == NEWEST.name
    assert response.provenance.attempt == 0
    assert response.provenance.replica


def test_a_score_depends_on_no_neighbour_and_repeats(compass: CompassClient) -> None:
    lr, candidates = group(2, 3)

    async def both() -> tuple[ScoreResponse, ScoreResponse]:
        reference = ray.put(candidates[::-1].copy())
        return await compass.score("a", lr, candidates), await compass.score("b", lr, reference, count=3)

    forward, backward = (readings(response) for response in asyncio.run(both()))
    for one, other in zip(forward, reversed(backward), strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_a_bad_candidate_fails_alone(compass: CompassClient) -> None:
    lr, candidates = group(3, 2)
    mixed = [candidates[0], photo(4, 24), photo(4, 64), candidates[1]]
    first, small, other_size, last = asyncio.run(compass.score("mixed", lr, mixed)).outcomes
    assert isinstance(first, Judged) and isinstance(last, Judged)
    assert isinstance(small, Failed) and isinstance(other_size, Failed)
    assert small.reason is other_size.reason is FailureReason.BAD_IMAGE


def test_a_wrong_request_is_raised_and_not_repeated(compass: CompassClient) -> None:
    lr, candidates = group(6, 9)
    with pytest.raises(BadRequest, match="candidates: 9, expected 1 to 8"):
        asyncio.run(compass.score("wrong", lr, candidates))


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
