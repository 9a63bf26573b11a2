"""Both gateways over real sockets, in front of a judge whose answers are known: one schema, honest refusals, no
leak."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme
from gateways import DIGEST, JUDGE, KnownJudge, brightness, known_answer, opened

from oars.compass.outcome import Failed, FailureReason, Judged
from oars.config import RewardClientConfig
from oars.imaging.image_io import Pixels
from reward_server.client import CompassClient, SyncCompassClient
from reward_server.errors import BadRequest, BadSetting, Overloaded, Unauthenticated, Unavailable
from reward_server.gateway.gateway import Gateway
from reward_server.pictures import check_pictures
from reward_server.schema import ScoreHeader, ScoreResponse

TOKEN = "alice-0123456789abcdef"
ENVIRONMENT = {
    "OARS_COMPASS_TOKENS": f"alice {TOKEN}\nearlier expired-0123456789abcdef 2020-01-01\nlater {'l' * 20} 2999-01-01"
}
GATEWAYS = ("http", "grpc")


def picture(seed: int, side: int = 32) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


LR, GROUP = picture(0, 8), np.stack([picture(k) for k in range(1, 4)])


def endpoint(gateway: Gateway, scheme: str) -> str:
    return f"{scheme}://127.0.0.1:{gateway.http_port if scheme.startswith('http') else gateway.grpc_port}"


def client(gateway: Gateway, scheme: str, **settings: Any) -> CompassClient:
    once = {"attempts": 1, "patience_s": 1e-6, "backoff_s": 0.01, "deadline_s": 10}
    return CompassClient(RewardClientConfig(endpoint=endpoint(gateway, scheme), **{**once, **settings}))


@pytest.mark.parametrize("scheme", GATEWAYS)
def test_a_group_comes_back_as_it_was_judged(scheme: str) -> None:
    async def run() -> None:
        async with opened(KnownJudge()) as gateway, client(gateway, scheme) as compass:
            answer = await compass.score("id-1", LR, GROUP)
            judged = [outcome for outcome in answer.outcomes if isinstance(outcome, Judged)]
            assert [one.readings["fidelity"] for one in judged] == [brightness(pixels) for pixels in GROUP]
            assert answer.request_id == "id-1" and answer.provenance is not None
            assert answer.provenance.judge_digest == DIGEST
            assert answer.provenance.gateway_s and answer.provenance.decode_s is not None
            description = await compass.describe()
            assert (description.judge_digest, description.max_candidates) == (DIGEST, 8)
            assert set(description.readings) == judged[0].readings.keys()

    asyncio.run(run())


@pytest.mark.parametrize("scheme", GATEWAYS)
def test_a_bad_candidate_fails_alone_and_wrong_counts_are_refused(scheme: str) -> None:
    async def run() -> None:
        async with opened(KnownJudge()) as gateway, client(gateway, scheme) as compass:
            with pytest.raises(BadRequest, match="candidates: 9, expected 1 to 8"):
                await compass.score("a", LR, GROUP[[0] * 9])
            if scheme == "http":  # raw pixels have no header that could lie
                huge = np.zeros((300, 300, 3), np.uint8)
                first, second = (await compass.score("a", LR, [GROUP[0], huge])).outcomes
                assert isinstance(first, Judged) and isinstance(second, Failed)
                assert second.reason is FailureReason.BAD_IMAGE

    asyncio.run(run())


class StrictJudge(KnownJudge):
    """Checks pictures as replicas do."""

    async def score(self, header: ScoreHeader, lr: Any, candidates: Any, deadline_s: float) -> ScoreResponse:
        group = check_pictures(lr, candidates, JUDGE)
        assert not isinstance(group, Failed)
        return known_answer(header, group.lr, group.candidates)


@pytest.mark.parametrize("scheme", GATEWAYS)
def test_a_picture_longer_than_the_judge_takes_comes_back_as_a_bad_image(scheme: str) -> None:
    async def run() -> None:
        async with opened(StrictJudge()) as gateway, client(gateway, scheme) as compass:
            [outcome] = (await compass.score("a", LR, np.zeros((1, 8, 2000, 3), np.uint8))).outcomes
            assert isinstance(outcome, Failed) and outcome.reason is FailureReason.BAD_IMAGE
            assert outcome.detail == "candidate 0: 2000x8 pixels are 250:1, at most 200:1"

    asyncio.run(run())


@pytest.mark.parametrize("scheme", GATEWAYS)
@pytest.mark.parametrize("token", [None, "wrong-0123456789abcdef", "expired-0123456789abcdef", TOKEN[:-1], TOKEN + "x"])
def test_a_missing_wrong_or_expired_token_is_refused(scheme: str, token: str | None, tmp_path: Path) -> None:
    async def run() -> None:
        judge = KnownJudge()
        async with opened(judge, ENVIRONMENT) as gateway:
            async with client(gateway, scheme, token_file=_file(tmp_path, token)) as compass:
                for call in (compass.score("a", LR, GROUP), compass.describe()):
                    with pytest.raises(Unauthenticated):
                        await call
            assert judge.calls == 0
            for good in (TOKEN, "l" * 20):
                async with client(gateway, scheme, token_file=_file(tmp_path, good)) as compass:
                    assert isinstance((await compass.score("a", LR, GROUP)).outcomes[0], Judged)

    asyncio.run(run())


def _file(folder: Path, token: str | None) -> Path | None:
    if token is None:
        return None
    path = folder / "token"
    path.write_text(token + "\n")
    return path


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_only_who_trusts_the_certificate_talks(scheme: str, tmp_path: Path) -> None:
    ours, other = trustme.CA(), trustme.CA()
    certificate = ours.issue_cert("127.0.0.1")
    for name, blob in {
        "chain": b"".join(pem.bytes() for pem in certificate.cert_chain_pems),
        "key": certificate.private_key_pem.bytes(),
        "ours": ours.cert_pem.bytes(),
        "other": other.cert_pem.bytes(),
    }.items():
        (tmp_path / name).write_bytes(blob)

    async def run() -> None:
        judge = KnownJudge()
        async with opened(judge, certificate=tmp_path / "chain", key=tmp_path / "key") as gateway:
            async with client(gateway, scheme, ca_file=tmp_path / "ours") as compass:
                assert isinstance((await compass.score("a", LR, GROUP)).outcomes[0], Judged)
            for wrong in (
                client(gateway, scheme, ca_file=tmp_path / "other", deadline_s=3),
                client(gateway, scheme, deadline_s=3),
                client(gateway, scheme.removesuffix("s"), deadline_s=3),
            ):
                async with wrong as compass:
                    answer = await compass.score("a", LR, GROUP)
                    assert all(isinstance(outcome, Failed) for outcome in answer.outcomes)
            assert judge.calls == 1

    asyncio.run(run())


@pytest.mark.parametrize("scheme", GATEWAYS)
def test_a_passed_deadline_cancels_the_work(scheme: str) -> None:
    async def run() -> None:
        judge = KnownJudge()
        async with opened(judge) as gateway, client(gateway, scheme) as compass:
            await compass.score("first", LR, GROUP)  # opens the connection, which can take longer than the deadline
            judge.hold_s = 30
            answer = await compass.score("a", LR, GROUP, deadline_s=0.3)
            assert [getattr(outcome, "reason", None) for outcome in answer.outcomes] == [FailureReason.DEADLINE] * 3
            await _until(lambda: judge.cancelled == 1)
            assert judge.inside == 0

    asyncio.run(run())


@pytest.mark.parametrize("scheme", GATEWAYS)
def test_a_client_that_goes_away_takes_its_work_with_it(scheme: str) -> None:
    async def run() -> None:
        judge = KnownJudge()
        judge.hold_s = 30
        async with opened(judge) as gateway:
            compass = client(gateway, scheme)
            task = asyncio.create_task(compass.score("a", LR, GROUP))
            await _until(lambda: judge.inside == 1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await compass.close()
            await _until(lambda: judge.cancelled == 1)
            judge.hold_s = 0
            async with client(gateway, scheme) as again:
                assert isinstance((await again.score("a", LR, GROUP)).outcomes[0], Judged)

    asyncio.run(run())


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("scheme", GATEWAYS)
def test_too_much_is_refused_with_a_time_to_come_back(scheme: str) -> None:
    async def run() -> None:
        judge = KnownJudge()
        judge.hold_s = 0.5
        async with opened(judge, max_in_flight=2) as gateway, client(gateway, scheme) as compass:
            answers = await asyncio.gather(*(compass.score(f"{k}", LR, GROUP) for k in range(6)))
            details = [getattr(answer.outcomes[0], "detail", "scored") for answer in answers]
            assert details.count("scored") == 2 and judge.calls == 2
            assert all("2 requests are in flight" in detail for detail in details if detail != "scored")
            transport = compass._connected()
            tasks = [asyncio.create_task(compass.score(f"{k}", LR, GROUP)) for k in range(2)]
            await _until(lambda: judge.inside == 2)
            with pytest.raises(Overloaded) as refused:
                await transport.describe()
            assert refused.value.retry_after_s is not None and refused.value.retry_after_s >= 1
            await asyncio.gather(*tasks)

    asyncio.run(run())


@pytest.mark.parametrize("scheme", GATEWAYS)
def test_a_rate_limited_client_is_told_so_and_patience_gets_through(scheme: str) -> None:
    async def run() -> None:
        async with opened(KnownJudge(), requests_per_s=0.5, burst=1) as gateway:
            async with client(gateway, scheme) as hasty:
                first, second = [await hasty.score("a", LR, GROUP) for _ in range(2)]
                assert isinstance(first.outcomes[0], Judged)
                assert "more than 0.5 requests a second" in getattr(second.outcomes[0], "detail", "")
            async with client(gateway, scheme, patience_s=20) as patient:
                assert isinstance((await patient.score("a", LR, GROUP)).outcomes[0], Judged)

    asyncio.run(run())


@pytest.mark.parametrize("scheme", GATEWAYS)
def test_bytes_are_bounded(scheme: str) -> None:
    async def run() -> None:
        judge = KnownJudge()
        async with opened(judge, max_request_bytes=5000) as gateway, client(gateway, scheme) as compass:
            with pytest.raises(BadRequest, match=r"5\d\d\d|larger|bytes"):
                await compass.score("a", LR, GROUP)
            small = np.zeros((8, 8, 3), np.uint8)
            assert isinstance((await compass.score("a", small, small[None])).outcomes[0], Judged)
        async with opened(judge, max_buffered_bytes=1000) as gateway, client(gateway, scheme) as compass:
            answer = await compass.score("a", LR, GROUP)
            assert "bytes of requests are held" in getattr(answer.outcomes[0], "detail", "")

    asyncio.run(run())


@pytest.mark.parametrize("scheme", GATEWAYS)
def test_a_replica_that_dies_costs_a_client_only_time_and_overload_is_passed_on(scheme: str) -> None:
    async def run() -> None:
        judge = KnownJudge()
        async with opened(judge) as gateway, client(gateway, scheme) as compass:
            judge.faults = [Unavailable("the replica died", retry_after_s=0.01)]
            async with client(gateway, scheme, patience_s=20) as patient:
                answer = await patient.score("a", LR, GROUP)
            assert isinstance(answer.outcomes[0], Judged) and judge.calls == 2
            assert answer.provenance is not None and answer.provenance.attempt == 1, "the client repeats, nobody else"
            judge.faults = [Overloaded("queue is full")]
            overloaded = (await compass.score("a", LR, GROUP)).outcomes[0]
            assert isinstance(overloaded, Failed) and overloaded.reason is FailureReason.UNAVAILABLE
            assert "too much to do" in overloaded.detail

    asyncio.run(run())


@pytest.mark.parametrize("scheme", GATEWAYS)
def test_without_a_judge_the_gateway_says_so(scheme: str) -> None:
    async def run() -> None:
        judge = KnownJudge()
        judge.absent = True
        async with opened(judge) as gateway, client(gateway, scheme) as compass:
            with pytest.raises(Unavailable):
                await compass.describe()
            failed = (await compass.score("a", LR, GROUP)).outcomes[0]
            assert isinstance(failed, Failed) and failed.reason is FailureReason.UNAVAILABLE

    asyncio.run(run())


@pytest.mark.parametrize("scheme", GATEWAYS)
def test_a_busy_judge_is_not_an_absent_one(scheme: str) -> None:
    """Its queue keeps the gateway's own questions waiting, while groups are answered."""

    async def run() -> None:
        judge = KnownJudge()
        async with opened(judge) as gateway, client(gateway, scheme) as compass:
            before = await compass.describe()
            judge.absent = True
            with pytest.raises(Unavailable):
                await compass.describe()
            await compass.score("a", LR, GROUP)
            assert await compass.describe() == before

    asyncio.run(run())


def test_a_closing_gateway_finishes_what_it_accepted() -> None:
    async def run() -> None:
        judge = KnownJudge()
        judge.hold_s = 0.5
        async with opened(judge) as gateway:
            clients = [client(gateway, scheme) for scheme in GATEWAYS]
            work = [asyncio.create_task(compass.score("a", LR, GROUP)) for compass in clients]
            await _until(lambda: judge.inside == 2)
            await gateway.close()
            for answer in await asyncio.gather(*work):
                assert isinstance(answer.outcomes[0], Judged)
            for compass in clients:
                late = (await compass.score("late", LR, GROUP)).outcomes[0]
                assert isinstance(late, Failed) and late.reason is FailureReason.UNAVAILABLE
                await compass.close()

    asyncio.run(run())


def test_a_gateway_listens_at_ipv6_too() -> None:
    async def run() -> None:
        async with opened(KnownJudge(), host="::1") as gateway:
            for scheme, port in (("http", gateway.http_port), ("grpc", gateway.grpc_port)):
                config = RewardClientConfig(endpoint=f"{scheme}://[::1]:{port}", deadline_s=10)
                async with CompassClient(config) as compass:
                    assert isinstance((await compass.score("a", LR, GROUP)).outcomes[0], Judged)

    asyncio.run(run())


def test_code_without_an_event_loop_has_a_client_too() -> None:
    async def run() -> None:
        async with opened(KnownJudge()) as gateway:
            config = RewardClientConfig(endpoint=endpoint(gateway, "grpc"), deadline_s=10)

            def work() -> None:
                with SyncCompassClient(config) as compass:
                    assert compass.describe().judge_digest == DIGEST
                    assert isinstance(compass.score("a", LR, GROUP).outcomes[0], Judged)

            await asyncio.to_thread(work)

    asyncio.run(run())


def test_settings_that_open_no_gateway_are_one_line(tmp_path: Path) -> None:
    for settings, what in (
        ({"host": "0.0.0.0"}, "host: 0.0.0.0 is open to others"),
        ({"certificate": tmp_path / "c", "key": tmp_path / "k"}, "certificate: no file"),
        ({"http_port": None, "grpc_port": None}, "both gateways are shut"),
    ):

        async def run(settings: dict[str, Any] = settings) -> None:
            async with opened(KnownJudge(), **settings):
                pass

        with pytest.raises(BadSetting, match=what):
            asyncio.run(run())
