"""A group is judged together and by one judge: what is shared is computed once, and an exchange splits no group."""

import asyncio
import shutil
from pathlib import Path

import pytest
from served_judge import exchange, group, impatient_serve, sharp_judge

from oars.config import RewardClientConfig
from reward_server.checkpoint import judge_digest
from reward_server.client import CompassClient
from reward_server.errors import BadJudge
from reward_server.schema import ScoreResponse
from reward_server.statistics import EngineStatistics
from services.bench.known_scores import compare
from services.bench.load import Sample, closed_loop
from services.bench.target import replica_reports, total
from services.launch.scaling import replace_judge, reports

pytestmark = pytest.mark.engine

__all__ = ["exchange", "impatient_serve", "sharp_judge"]  # fixtures
K = 4
KNOWN = 6


@pytest.fixture(scope="module")
def other_judge(sharp_judge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge with other answers."""
    from safetensors.torch import load_file, save_file

    directory = tmp_path_factory.mktemp("other") / "judge"
    shutil.copytree(sharp_judge, directory)
    weights = directory / "model.safetensors"
    tensors = load_file(weights)
    tensors["lm_head.weight"] *= -1
    save_file(tensors, weights, metadata={"format": "pt"})
    return directory


async def engine(config: RewardClientConfig) -> EngineStatistics:
    return total(await replica_reports(config.app))


def test_the_lr_is_encoded_once_and_its_prefix_computed_once_a_group(exchange: RewardClientConfig) -> None:
    async def scenario() -> EngineStatistics:
        async with CompassClient(exchange) as client:
            before = await engine(exchange)
            await client.score("shared", *group(1, K))
            return await engine(exchange) - before

    work = asyncio.run(scenario())
    assert work.prompts == 2 * K + 1
    assert work.pictures_encoded == K + 1, "3 K + 1 pictures are named"
    assert (work.pictures_seen, work.pictures_known) == (3 * K + 1, 2 * K)
    # 36 tokens of the LR and the words before it: one whole block of the KV cache.
    assert work.shared_tokens == K * 32


def test_a_duplicate_is_answered_from_memory_and_equal_candidates_are_judged_once(exchange: RewardClientConfig) -> None:
    lr, candidates = group(2, K)
    candidates[2] = candidates[1]

    async def scenario() -> tuple[ScoreResponse, ScoreResponse, EngineStatistics, EngineStatistics]:
        async with CompassClient(exchange) as client:
            begun = await engine(exchange)
            first = await client.score("first", lr, candidates)
            between = await engine(exchange)
            second = await client.score("second", lr, candidates[::-1].copy())
            return first, second, between - begun, await engine(exchange) - between

    first, second, work, more = asyncio.run(scenario())
    # Of the LR one prompt, of each of the K - 1 different candidates two.
    assert (work.prompts, work.answers_known) == (2 * K - 1, 0)
    assert (more.prompts, more.answers_known) == (0, 2 * K - 1)
    assert first.outcomes == second.outcomes[::-1]
    assert first.outcomes[1] == first.outcomes[2] != first.outcomes[3]


def test_while_the_judge_is_exchanged_every_group_is_scored_by_one_of_the_two(
    exchange: RewardClientConfig, other_judge: Path
) -> None:
    groups = [group(100 + number, K) for number in range(KNOWN)]
    [serving] = reports(exchange.app)
    old, new = serving.judge_digest, judge_digest(other_judge)

    async def scenario() -> tuple[list[Sample], dict[str, list]]:
        async with CompassClient(exchange) as client:

            async def send(number: int) -> ScoreResponse:
                return await client.score(f"exchange-{number}", *groups[number % KNOWN])

            known = {old: [(await send(number)).outcomes for number in range(KNOWN)]}
            over = False
            load = asyncio.create_task(closed_loop(send, 2, lambda elapsed: not over))
            await asyncio.to_thread(replace_judge, exchange.app, str(other_judge))
            over = True
            samples = await load
            known[new] = [(await send(number)).outcomes for number in range(KNOWN)]
            return samples, known

    samples, known = asyncio.run(scenario())
    assert {report.judge_digest for report in reports(exchange.app)} == {new}
    assert {sample.judge for sample in samples} == {old, new}, "both answered while it was exchanged"
    assert all(sample.end == "answered" for sample in samples)
    comparison = compare(samples, known, tolerance=1e-3)
    assert (comparison.wrong, comparison.unscored) == (0, 0), comparison
    assert known[old] != known[new]


def test_a_judge_that_does_not_come_up_leaves_the_old_one_serving(
    exchange: RewardClientConfig, sharp_judge: Path, impatient_serve: None, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(sharp_judge, broken)
    (broken / "config.json").write_text('{"model_type": "qwen3_vl"}')
    [before] = reports(exchange.app)
    with pytest.raises(BadJudge, match=r"^judge '[^\n]+' cannot be served: [^\n]+$"):
        replace_judge(exchange.app, str(broken))

    async def scenario() -> ScoreResponse:
        async with CompassClient(exchange) as client:
            return await client.score("still-there", *group(9, K))

    answer = asyncio.run(scenario())
    assert answer.provenance is not None
    assert (answer.provenance.replica, answer.provenance.judge_digest) == (before.replica, before.judge_digest)
