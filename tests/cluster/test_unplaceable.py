"""A judge that no node can hold: one line with what was wanted and what is there, and nothing of it stays deployed."""

import pytest
from ray import serve
from served_judge import impatient_serve

from oars.config import JudgeConfig
from reward_server.errors import BadJudge
from services.launch.serving import deploy

__all__ = ["impatient_serve"]  # a fixture


@pytest.mark.parametrize("resources", [{"num_gpus": 1}, {"label_selector": {"oars-pool": "nowhere"}}])
def test_a_judge_that_no_node_can_hold_is_given_up(
    resources: dict[str, object], impatient_serve: None, ray_cluster: None
) -> None:
    judge = JudgeConfig.model_validate({"resources": resources})
    with pytest.raises(BadJudge, match=r"does not run after 3 s: wanted \{.*\}.*; there is \{.*'CPU'.*\}") as caught:
        deploy(judge, "unplaceable", deadline_s=3.0)
    assert "\n" not in str(caught.value)
    assert "unplaceable" not in serve.status().applications
