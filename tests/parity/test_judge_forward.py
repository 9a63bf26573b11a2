"""Sharing pictures between prompts changes no score: against the class's own forward on the processor's output.

Nor does what a judge in training computes in another way.
"""

from dataclasses import astuple, replace

import numpy as np
import pytest
import torch
from PIL import Image

from oars.compass.judge import Judge
from oars.compass.judge_card import JUDGE_CARD, JudgeCard
from oars.compass.miniature.judge_model import build_judge
from oars.compass.score_tokens import read
from oars.compass.training.parameters import load_trainable
from oars.compass.views import judge_views
from oars.config.judge_training import JudgeTrainingConfig


@pytest.mark.parametrize(
    ("version", "joint", "height", "width"), [("compass-2", False, 64, 64), ("compass-1", True, 96, 128)]
)
def test_scores_equal_one_plain_forward_a_prompt(tmp_path, version, joint, height, width):
    build_judge(tmp_path, seed=1)
    (tmp_path / JUDGE_CARD).write_text(JudgeCard(prompt_version=version).model_dump_json())
    judge = Judge.load(tmp_path, dtype=torch.float32)
    rng = np.random.default_rng(0)
    lr = rng.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    candidates = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    view, _ = judge_views(lr, candidates)

    prompts = judge.prompts
    assert prompts.version.joint == joint
    q_lr = read(prompts.tokens.quality, plain_forward(judge, prompts.quality, [view])).value
    for reading, candidate in zip(judge.score(lr, candidates), candidates, strict=True):
        row = plain_forward(judge, prompts.transition, [view, candidate])
        alone = row if joint else plain_forward(judge, prompts.quality, [candidate])
        assert reading.q_lr == pytest.approx(q_lr, abs=1e-5)
        assert reading.fidelity == pytest.approx(read(prompts.tokens.fidelity, row).value, abs=1e-5)
        assert reading.q_sr == pytest.approx(read(prompts.tokens.quality, alone).value, abs=1e-5)


def test_a_judge_in_training_reads_what_it_will_when_served(tmp_path):
    build_judge(tmp_path, seed=1)
    served = Judge.load(tmp_path, dtype=torch.float32, device="cpu")
    learning = replace(served, model=load_trainable(tmp_path, JudgeTrainingConfig(dtype="float32")))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), dtype=np.uint8)
    for ours, theirs in zip(learning.score(pictures[0], pictures), served.score(pictures[0], pictures), strict=True):
        mine, named = (astuple(readings) for readings in (ours, theirs))
        assert mine[:-1] == pytest.approx(named[:-1], abs=1e-5)
        assert mine[-1] == (pytest.approx(named[-1][0], abs=1e-5), named[-1][1])


@torch.inference_mode()
def plain_forward(judge: Judge, prompt: str, images: list[np.ndarray]) -> dict[int, float]:
    inputs = judge.processor(text=[prompt], images=[Image.fromarray(image) for image in images], return_tensors="pt")
    row = judge.model(**inputs).logits[0, -1].log_softmax(-1)
    return dict(enumerate(row.tolist()))
