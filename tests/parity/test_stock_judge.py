"""A chat VLM that was never fine-tuned, as judge: asked in its own template, letters the right way up, and its scale
named and mapped."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from compass_data import write_tiny_dataset
from PIL import Image
from served_judge import group, judge_config
from stock_judge import SYSTEM, write_stock_judge

from oars.compass.calibrated import Scale
from oars.compass.judge import Judge
from oars.compass.outcome import Failed, FailureReason, Judged, Scored
from oars.compass.score_tokens import read
from oars.compass.self_test import pictures
from oars.compass.views import judge_views
from oars.config import JudgeConfig, RewardClientConfig
from reward_server.checkpoint import judge_digest
from reward_server.client import CompassClient
from reward_server.errors import BadJudge
from reward_server.self_test import warm_up
from services.results.transition import LocalScorer
from services.reward_modeling.calibration import fit_calibration
from services.run.progress import Lines

FIELDS = ("fidelity", "q_lr", "q_sr")
APP = "compass-stock"


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("stock")
    write_stock_judge(directory)
    return directory


def test_it_is_asked_in_its_own_template_as_its_processor_would(stock: Path) -> None:
    """Against the processor's own rendering, tokenising and forward pass."""
    judge, (lr, candidates) = Judge.load(stock, torch.float32), pictures(0)
    assert judge.prompts.quality.startswith(SYSTEM) and judge.prompts.transition.startswith(SYSTEM)
    view, [sr, *_] = judge_views(lr, candidates)
    question = judge.prompts.version.transition.rpartition("|>")[2]
    content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": question}]
    messages = [{"role": "user", "content": content}]
    text = judge.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    inputs = judge.processor(text=[text], images=[Image.fromarray(one) for one in (view, sr)], return_tensors="pt")
    with torch.inference_mode():
        row = judge.model(**inputs).logits[0, -1].log_softmax(-1)
    theirs = read(judge.prompts.tokens.fidelity, dict(enumerate(row.tolist()))).value
    assert judge.score(lr, candidates)[0].fidelity == pytest.approx(theirs, abs=1e-5)


def test_a_is_the_best(stock: Path, tmp_path: Path) -> None:
    write_stock_judge(tmp_path, letters="FE")
    best, worst = (Judge.load(path, torch.float32).score(*pictures(0)) for path in (stock, tmp_path))
    assert min(reading.fidelity for reading in best) > 0.8 > 0.2 > max(reading.fidelity for reading in worst)
    assert all(3 < reading.q_sr < 4 and reading.confidence.share > 0.5 for reading in best)


def test_one_that_answers_with_letters_alone_is_refused(tmp_path: Path) -> None:
    """By a score, and by a replica before it is ready; each in one line that says of what there is nothing."""
    write_stock_judge(tmp_path, digits="AB")
    scorer = LocalScorer(JudgeConfig(path=str(tmp_path)), RewardClientConfig())
    lr, [sr, *_] = pictures(0)
    outcome = scorer.score(lr, sr)
    assert isinstance(outcome, Failed) and outcome.reason is FailureReason.LOW_CONFIDENCE
    assert outcome.detail.startswith("0.000 of the probability is on the digit of Q_")

    async def reads(request_id: str, lr: np.ndarray, candidates: list) -> list[Judged | Failed]:
        return [outcome] * len(candidates)

    with pytest.raises(BadJudge, match=r"does not answer with the digit or letter .* on the digit of Q_") as caught:
        asyncio.run(warm_up(reads, 1))
    assert "\n" not in str(caught.value)


def test_a_calibration_brings_it_to_the_scale_of_labels(stock: Path, tmp_path: Path) -> None:
    write_tiny_dataset(tmp_path / "data", groups=16)
    fitted = fit_calibration(str(stock), tmp_path / "data", "train", Lines())
    file = tmp_path / "calibration.json"
    file.write_text(fitted.calibration.model_dump_json())
    raw, mapped = (
        LocalScorer(JudgeConfig(path=str(stock), calibration=path), RewardClientConfig()) for path in (None, file)
    )
    assert raw.judge.endswith(", zero-shot, uncalibrated") and mapped.judge.endswith(", zero-shot, calibrated")
    lr, [sr, *_] = pictures(0)
    before, after = raw.score(lr, sr), mapped.score(lr, sr)
    assert isinstance(before, Scored) and isinstance(after, Scored)
    scale = Scale.of(False, judge_digest(stock), file)
    assert scale.calibration is not None
    assert after.readings["q_sr"] == scale.calibration.quality(before.readings["q_sr"]) != before.readings["q_sr"]


@pytest.fixture(scope="module")
def served(ray_cluster: None, stock: Path) -> Iterator[CompassClient]:
    from ray import serve

    from services.launch.serving import deploy

    deploy(judge_config(stock).model_copy(update={"min_confidence": 0.5}), APP)
    yield CompassClient(RewardClientConfig(app=APP, deadline_s=60))
    serve.delete(APP)


@pytest.mark.engine
def test_it_is_served_as_it_reads_and_says_that_it_is_raw(served: CompassClient, stock: Path) -> None:
    lr, candidates = group(7, 3, 96)
    answer = asyncio.run(served.score("stock", lr, candidates))
    assert answer.provenance is not None
    assert (answer.provenance.basis, answer.provenance.calibration_digest) == ("zero-shot, uncalibrated", None)
    ours = [[one.readings[name] for name in FIELDS] for one in answer.outcomes if isinstance(one, Judged)]
    theirs = Judge.load(stock, torch.float32).score(lr, candidates)
    np.testing.assert_allclose(ours, [[getattr(one, name) for name in FIELDS] for one in theirs], atol=2e-3)
