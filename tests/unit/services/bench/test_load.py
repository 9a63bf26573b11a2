"""The load generator sends what it says, and its account leaves no request out."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from oars.compass.outcome import Failed, FailureReason, Judged
from oars.config import DataConfig
from reward_server.errors import Overloaded, Unavailable
from reward_server.schema import Provenance, ScoreResponse
from reward_server.statistics import EngineStatistics
from services.bench.account import Account, EngineAccount
from services.bench.load import Sample, closed_loop, open_loop
from services.bench.requests import Groups

JUDGED = Judged(readings={"fidelity": 1, "q_lr": 2, "q_sr": 3, "confidence": 1})
FAILED = Failed(reason=FailureReason.BAD_IMAGE)


def answer(number: int) -> ScoreResponse:
    origin = Provenance(judge_digest="d", prompt_version="p", replica=f"r{number % 2}", attempt=0, seconds=0)
    return ScoreResponse(request_id=str(number), outcomes=[JUDGED, FAILED], provenance=origin)


def test_a_closed_loop_keeps_its_number_of_requests_under_way() -> None:
    under_way, most = 0, 0

    async def send(number: int) -> ScoreResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.005)
        under_way -= 1
        return answer(number)

    samples = asyncio.run(closed_loop(send, 3, lambda elapsed: elapsed < 0.1))
    assert most == 3
    assert sorted(sample.number for sample in samples) == list(range(len(samples)))


def test_an_open_loop_does_not_wait_for_answers() -> None:
    async def scenario() -> list[Sample]:
        nothing_yet = asyncio.Event()

        async def send(number: int) -> ScoreResponse:
            await nothing_yet.wait()
            return answer(number)

        asyncio.get_running_loop().call_later(0.3, nothing_yet.set)
        return await open_loop(send, rate=200, seconds=0.2, seed=1)

    samples = asyncio.run(scenario())
    # Poisson with mean 40: these bounds are eight standard deviations away.
    assert 5 < len(samples) < 100
    assert all(sample.end == "answered" for sample in samples)


def test_each_end_is_counted_once_and_latency_is_of_answers_alone() -> None:
    errors = [Overloaded("busy", 1.0), Unavailable("gone"), TimeoutError()]

    async def send(number: int) -> ScoreResponse:
        if number < len(errors):
            raise errors[number]
        return answer(number)

    samples = asyncio.run(closed_loop(send, 1, lambda elapsed: elapsed < 0.02))
    account = Account.of(samples)
    assert sum(account.requests.values()) == len(samples)
    assert [account.requests[end] for end in ("shed", "unavailable", "late")] == [1, 1, 1]
    answered = account.requests["answered"]
    assert account.pairs == answered and account.failed == {"bad_image": answered}
    assert account.shed_rate == pytest.approx(1 / len(samples))
    assert account.judges == {"d": answered} and account.replicas == 2


def test_percentiles_and_rate_follow_their_definition() -> None:
    sample = Sample(0, 0.0, 0.0, "answered", (JUDGED,))
    samples = [replace(sample, number=i, started_s=float(i), seconds=i / 100) for i in range(101)]
    account = Account.of(samples)
    assert account.latency.p50 == pytest.approx(0.5) and account.latency.p99 == pytest.approx(0.99)
    assert account.pairs_per_s == pytest.approx(101 / 101.0)


def test_no_answer_is_no_latency() -> None:
    account = Account.of([Sample(0, 0.0, 1.0, "late")])
    assert account.latency.p50 is None and account.pairs_per_s == 0


def test_the_engine_account_is_the_difference_of_two_readings() -> None:
    before, after = EngineStatistics(), EngineStatistics()
    before.step(prompts=9, computed=900, shared=0, encoded=9)
    for _ in range(2):
        after.step(prompts=9, computed=900, shared=0, encoded=9)
    after.step(prompts=3, computed=100, shared=1100, encoded=2)
    account = EngineAccount.of(after - before)
    assert (account.steps, account.prompts_per_step, account.largest_batch) == (2, 6.0, 9)
    assert account.shared_tokens == pytest.approx(1100 / 2100) and account.pictures_encoded == 11


def test_groups_differ_unless_repeats_are_wanted_and_are_the_same_each_time() -> None:
    groups, again = (Groups(DataConfig(), side=64, candidates=3) for _ in range(2))
    seen = {groups[number].candidates.tobytes() for number in range(40)}
    assert len(seen) == 40
    assert groups[7].candidates.shape == (3, 64, 64, 3) and groups[7].lr.shape == (16, 16, 3)
    assert np.array_equal(groups[23].candidates, again[23].candidates)
    half = Groups(DataConfig(), side=64, candidates=3, repeat=0.5)
    assert len({half[number].lr.tobytes() for number in range(40)}) == 20
