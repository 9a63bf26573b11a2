"""What makes Serve start replicas anew, and which judge a run accepts."""

import pytest

from oars.compass.formula import READINGS
from oars.config import JudgeConfig, RewardClientConfig
from reward_server.checkpoint import judge_digest, judge_directory
from reward_server.errors import NoCompass, WrongJudge
from reward_server.schema import Description
from services.control.compass import check_same_judge
from services.launch.serving import version_of

JUDGE = JudgeConfig()


def described(digest: str | None) -> Description:
    return Description.of(JUDGE, digest, "p", READINGS)


def test_a_deployment_is_another_if_and_only_if_its_replicas_would_be() -> None:
    assert version_of(JUDGE, "a") == version_of(JudgeConfig(), "a")
    others = [(JUDGE, "b"), (JUDGE.model_copy(update={"max_num_seqs": 1}), "a")]
    assert len({version_of(JUDGE, "a"), *(version_of(judge, digest) for judge, digest in others)}) == 3


def test_a_run_accepts_its_own_judge_and_an_endpoint_that_does_not_tell() -> None:
    own = judge_digest(judge_directory("miniature"))
    for digest in (own, None):
        check_same_judge(described(digest), JUDGE, RewardClientConfig())


def test_another_judge_is_one_line_that_names_both() -> None:
    with pytest.raises(
        WrongJudge, match=r"^judge: Serve application 'compass' serves the judge 0{12}, .*replace"
    ) as caught:
        check_same_judge(described("0" * 64), JUDGE, RewardClientConfig())
    assert "\n" not in str(caught.value) and isinstance(caught.value, NoCompass)
