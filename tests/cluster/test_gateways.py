"""The gateways as deployed, before the real Serve, vLLM and judge: what comes in by any of them is judged alike."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import trustme
from served_judge import APP, compass, group, sharp_judge

from benchmarks.fuzz.run import Fuzz, Target
from benchmarks.fuzz_reward import gateway_settings
from oars.compass.outcome import Failed, FailureReason, Judged, Scored
from oars.compass.reward import Reward
from oars.compass.views import lr_view
from oars.compass.window import draw_window
from oars.config import GatewayConfig, RewardClientConfig, RolloutConfig, RunConfig
from oars.imaging.crops import Pair
from reward_server.checkpoint import judge_digest
from reward_server.client import CompassClient, SyncCompassClient
from reward_server.errors import Unauthenticated
from services.control.compass import CompassJudge
from services.launch.serving import deploy_gateway, endpoints

__all__ = ["compass", "sharp_judge"]  # fixtures
TOKEN, EXPIRED = "alice-0123456789abcdef", "earlier-0123456789abcdef"


@pytest.fixture(scope="module")
def gateways(
    compass: CompassClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, RewardClientConfig]]:
    """Both gateways with TLS and tokens; how a client that may come in reaches each."""
    from ray import serve

    folder = tmp_path_factory.mktemp("gateways")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    files = {
        "chain": b"".join(pem.bytes() for pem in certificate.cert_chain_pems),
        "key": certificate.private_key_pem.bytes(),
        "ca": authority.cert_pem.bytes(),
        "stranger": trustme.CA().cert_pem.bytes(),
        "tokens": f"alice {TOKEN}\nearlier {EXPIRED} 2020-01-01\n".encode(),
        **{name: token.encode() for name, token in {"good": TOKEN, "expired": EXPIRED, "wrong": "w" * 20}.items()},
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    config = GatewayConfig(
        app=APP,
        http_port=0,
        grpc_port=0,
        tokens=folder / "tokens",
        certificate=folder / "chain",
        key=folder / "key",
    )
    urls = endpoints(config, deploy_gateway(config))
    yield {url.split(":")[0]: _client_config(url, folder) for url in urls}
    serve.delete("compass-gateway")


def _client_config(url: str, folder: Path) -> RewardClientConfig:
    return RewardClientConfig(
        endpoint=url, token_file=folder / "good", ca_file=folder / "ca", deadline_s=60, attempts=1, patience_s=5
    )


def values(outcome: Any) -> dict[str, float]:
    assert isinstance(outcome, Judged | Scored), outcome
    return outcome.readings


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_a_gateway_answers_as_the_handle_does(
    compass: CompassClient, sharp_judge: Path, gateways: dict[str, RewardClientConfig], scheme: str
) -> None:
    lr, candidates = group(21, 4)
    by_handle = asyncio.run(compass.score("handle", lr, candidates))
    with SyncCompassClient(gateways[scheme]) as client:
        by_gateway = client.score("gateway", lr, candidates)
        assert client.describe().judge_digest == judge_digest(sharp_judge)
    for one, other in zip(by_handle.outcomes, by_gateway.outcomes, strict=True):
        assert values(one) == pytest.approx(values(other), abs=1e-4)
    assert by_handle.provenance is not None and by_gateway.provenance is not None
    assert by_handle.provenance.replica == by_gateway.provenance.replica
    assert by_gateway.provenance.gateway_s is not None


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
@pytest.mark.parametrize("token", ["wrong", "expired", None])
def test_a_wrong_expired_or_missing_token_is_refused(
    gateways: dict[str, RewardClientConfig], scheme: str, token: str | None
) -> None:
    lr, candidates = group(22, 1)
    good = gateways[scheme]
    assert good.token_file is not None
    offered = good.model_copy(update={"token_file": token and good.token_file.with_name(token)})
    with SyncCompassClient(offered) as client, pytest.raises(Unauthenticated):
        client.score("a", lr, candidates)


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_who_trusts_another_authority_does_not_talk(gateways: dict[str, RewardClientConfig], scheme: str) -> None:
    lr, candidates = group(23, 1)
    good = gateways[scheme]
    assert good.ca_file is not None
    stranger = good.model_copy(update={"ca_file": good.ca_file.with_name("stranger"), "patience_s": 0.01})
    with SyncCompassClient(stranger) as client:
        [outcome] = client.score("a", lr, candidates, deadline_s=10.0).outcomes
    assert isinstance(outcome, Failed) and outcome.reason in {FailureReason.UNAVAILABLE, FailureReason.DEADLINE}


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_a_deadline_is_kept_and_the_next_group_is_judged(gateways: dict[str, RewardClientConfig], scheme: str) -> None:
    lr, candidates = group(24, 8)
    with SyncCompassClient(gateways[scheme]) as client:
        late = client.score("late", lr, candidates, deadline_s=0.002)
        assert [getattr(outcome, "reason", None) for outcome in late.outcomes] == [FailureReason.DEADLINE] * 8
        values(client.score("next", lr, candidates).outcomes[0])


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_the_conductor_may_use_an_endpoint_in_place_of_the_handle(
    gateways: dict[str, RewardClientConfig], scheme: str
) -> None:
    lr, candidates = group(26, 3)
    config = RunConfig(reward=gateways[scheme], rollout=RolloutConfig(candidates=3))
    reference = ray.put(candidates)

    async def run() -> None:
        judge = CompassJudge(CompassClient(config.reward), config, Reward.load(config.reward.function, {}))
        judgement = await judge.score("a", Pair("photo", lr, None), reference, count=3)
        alone = await judge.score_one("b", Pair("photo", lr, None), candidates[0])
        assert values(judgement.outcomes[0]) == pytest.approx(values(alone), abs=1e-4)
        assert len(judgement.outcomes) == 3

    asyncio.run(run())


def test_a_group_is_scored_in_its_window(gateways: dict[str, RewardClientConfig]) -> None:
    lr, candidates = group(27, 3)
    side, reward = candidates.shape[1], gateways["https"].model_copy(update={"window_shift": 16})
    config = RunConfig(reward=reward, rollout=RolloutConfig(candidates=3))
    window = draw_window(side, side, 16, "a")

    async def run() -> None:
        client = CompassClient(config.reward)
        judge = CompassJudge(client, config, Reward.load(config.reward.function, {}))
        judgement = await judge.score("a.1", Pair("photo", lr, None), ray.put(candidates), count=3)
        by_hand = await client.score("b", window.of(lr_view(lr, side, side)), window.of(candidates))
        assert values(judgement.outcomes[2]) == pytest.approx(values(by_hand.outcomes[2]), abs=1e-4)

    asyncio.run(run())


def test_bad_inputs_break_nothing(compass: CompassClient, tmp_path: Path) -> None:
    from ray import serve

    (tmp_path / "tokens").write_text(f"alice {TOKEN}\n")
    (tmp_path / "token").write_text(TOKEN)
    settings = gateway_settings(tmp_path / "tokens")
    http_port, grpc_port = deploy_gateway(settings)
    assert http_port is not None and grpc_port is not None
    target = Target(settings.host, http_port, grpc_port, settings.read_timeout_s, TOKEN)

    async def run() -> None:
        report = await Fuzz(target, tmp_path / "token", 1).run(300)
        assert report.faults == [] and report.good > 10

    try:
        asyncio.run(run())
    finally:
        serve.delete("compass-gateway")
