"""What is told of a judge before and after a refresh."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from oars.compass.data.dataset import Group
from oars.compass.data.run_pictures import EXAGGERATED, POLICY
from oars.compass.judge import Judge
from oars.compass.miniature.judge_model import build_judge
from oars.evaluation.refreshed import Refreshed, Standing
from services.reward_modeling.refresh import exaggerated_below_told, lines, standing

SIDE = 32


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    path = tmp_path_factory.mktemp("judge")
    build_judge(path, seed=0)
    made = Judge.load(path)
    with torch.no_grad():
        torch.nn.init.normal_(made.model.lm_head.weight, generator=torch.Generator().manual_seed(0))
    return made


def group(index: int, quality: tuple[float, ...]) -> Group:
    rng = np.random.default_rng(index)

    def draw(*shape: int) -> NDArray[np.uint8]:
        return rng.integers(0, 256, shape, dtype=np.uint8)

    column = np.array(quality)
    return Group(
        input_id=f"g{index}", photo=f"p{index}", split="validation", kind="synthetic", strength=0.5,
        lr=draw(8, 8, 3), gt=draw(SIDE, SIDE, 3), enhancers=(POLICY, EXAGGERATED),
        families=("generative", "generative"), sr=draw(len(quality), SIDE, SIDE, 3),
        q_lr=2.0, anchor=column, q=column, rank=column, fidelity=column / 5,
        metrics={}, kept=True, alpha=1.0, beta=0.0,
    )  # fmt: skip


def test_a_judge_and_its_reverse_labels_share_all_pairs(judge: Judge) -> None:
    groups = [group(index, (4.0, 2.0)) for index in range(6)]
    mirrored = [group(index, (2.0, 4.0)) for index in range(6)]
    right, wrong = standing(judge, groups, 7.0), standing(judge, mirrored, 7.0)
    # The policy's own is the better one by the labels: both shares count the same pairs.
    assert wrong.pairs_in_order is not None
    assert right.pairs_in_order == right.exaggerated_below == pytest.approx(1 - wrong.pairs_in_order)
    assert {"blur", "lattice 8 px"} <= set(right.probes) and all(0 <= share <= 1 for share in right.probes.values())


def test_labels_that_are_equal_are_no_pair(judge: Judge) -> None:
    groups = [group(0, (3.0, 3.0)), group(1, (4.0, 2.0))]
    assert standing(judge, groups, 7.0).pairs_in_order in (0.0, 1.0)
    assert standing(judge, groups[:1], 7.0).pairs_in_order is None


def test_each_group_and_each_probed_crop_is_progress(judge: Judge) -> None:
    groups, told = [group(index, (4.0, 2.0)) for index in range(3)], list[None]()
    standing(judge, groups, 7.0, lambda: told.append(None))
    assert len(told) == 3 + 3


def test_lines_show_before_and_after() -> None:
    before = Standing(exaggerated_below=0.4, pairs_in_order=0.61, probes={"blur": 0.5})
    after = Standing(exaggerated_below=0.86, pairs_in_order=0.7, probes={"blur": 0.875})
    said = lines(
        Refreshed(run="r", data_digest="d", steps=2, judge_before="a", judge_after="b", before=before, after=after)
    )
    assert said[0].split() == ["exaggerated", "below", "the", "policy's", "own", "40", "%", "->", "86", "%"]
    assert said[2].split() == ["blur", "50", "%", "->", "88", "%"]


def test_the_labels_own_share_counts_groups_whose_labels_put_the_exaggerated_below() -> None:
    groups = [group(0, (4.0, 2.0)), group(1, (2.0, 4.0)), group(2, (3.0, 2.9)), group(3, (3.0, 3.0))]
    assert exaggerated_below_told(groups, 7.0) == 0.5
