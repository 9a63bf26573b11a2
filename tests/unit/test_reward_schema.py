"""Wire types and the Serve config that carries them."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from ray.exceptions import ActorDiedError, GetTimeoutError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException, RequestCancelledError
from ray.serve.schema import ServeDeploySchema

from oars.compass.outcome import Failed, FailureReason, Scored
from oars.config import JudgeConfig
from reward_server.app import DEPLOYMENT, app
from reward_server.client import failure_of
from reward_server.errors import BadRequest, EngineDied
from reward_server.schema import HttpScoreRequest, ScoreHeader, ScoreResponse

CONFIG = Path(__file__).parents[2] / "deploy" / "serve" / "compass.yaml"


def test_a_response_survives_json() -> None:
    scored = Scored(fidelity=0.5, q_lr=2, q_sr=3, reward=1.2, confidence=0.9)
    failed = Failed(reason=FailureReason.BAD_IMAGE, detail="1 pixels")
    response = ScoreResponse(request_id="a", outcomes=[scored, failed], judged_fidelity=[0.5, None], provenance=None)
    assert ScoreResponse.model_validate_json(response.model_dump_json()) == response


WRONG = {"request_id": "", "gamma": 0, "api_version": 2, "colour": 1, "attempt": -1}


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_header_is_refused(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        ScoreHeader.model_validate({"request_id": "a", field: WRONG[field]})


def test_http_needs_a_candidate() -> None:
    with pytest.raises(ValidationError):
        HttpScoreRequest(request_id="a", lr="", candidates=[])


def test_the_serve_config_deploys_this_application() -> None:
    config = ServeDeploySchema.model_validate(yaml.safe_load(CONFIG.read_text()))
    [application] = config.applications
    assert application.import_path == f"{app.__module__}:{app.__name__}"
    assert [deployment.name for deployment in application.deployments] == [DEPLOYMENT]
    judge = JudgeConfig.model_validate(application.args)
    tiny = yaml.safe_load((CONFIG.parents[1] / "profiles" / "tiny.yaml").read_text())
    assert judge == JudgeConfig.model_validate(tiny["judge"])


def test_absence_is_retried_and_defects_are_seen() -> None:
    def from_replica(cause: Exception) -> Exception:
        return RayTaskError("score", "traceback", cause).as_instanceof_cause()

    late = [TimeoutError(), GetTimeoutError()]
    absent = [ActorDiedError(), BackPressureError(1, 1), RequestCancelledError(), RayServeException("no application")]
    assert {failure_of(error) for error in late} == {FailureReason.DEADLINE}
    assert {failure_of(error) for error in [*absent, from_replica(EngineDied())]} == {FailureReason.UNAVAILABLE}
    assert [failure_of(from_replica(defect)) for defect in (BadRequest("fidelity"), KeyError(3))] == [None, None]
