"""Wire types and the Serve config that carries them."""

import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from ray.exceptions import ActorDiedError, GetTimeoutError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException, RequestCancelledError
from ray.serve.schema import ServeDeploySchema

from oars.compass.outcome import Failed, FailureReason, Judged
from oars.config import GatewayConfig, JudgeConfig
from reward_server import app as app_module
from reward_server.errors import BadRequest, EngineDied, Overloaded, Unavailable
from reward_server.gateway import app as gateway_module
from reward_server.gateway.http_app import parse_body
from reward_server.schema import HttpScoreRequest, ScoreHeader, ScoreResponse
from reward_server.transports.handle import typed

CONFIG = Path(__file__).parents[3] / "deploy" / "serve" / "compass.yaml"


def test_a_response_survives_json() -> None:
    judged = Judged(readings={"fidelity": 0.5, "q_lr": 2, "q_sr": 3, "confidence": 0.9})
    failed = Failed(reason=FailureReason.BAD_IMAGE, detail="1 pixels")
    response = ScoreResponse(request_id="a", outcomes=[judged, failed], provenance=None)
    assert ScoreResponse.model_validate_json(response.model_dump_json()) == response


WRONG = {"request_id": "", "api_version": 2, "colour": 1, "attempt": -1}
WRONG_IDS = ["", "a b", "a\nb", "ä", "x" * 257]


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_header_is_refused(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        ScoreHeader.model_validate({"request_id": "a", field: WRONG[field]})


@pytest.mark.parametrize("request_id", WRONG_IDS)
def test_an_id_is_printable_ascii(request_id: str) -> None:
    with pytest.raises(ValidationError, match="request_id"):
        ScoreHeader(request_id=request_id)


def test_http_needs_a_candidate() -> None:
    with pytest.raises(ValidationError):
        HttpScoreRequest(request_id="a", lr="", candidates=[])


def test_the_serve_config_deploys_judge_and_gateway() -> None:
    config = ServeDeploySchema.model_validate(yaml.safe_load(CONFIG.read_text()))
    judge_app, gateway_app = config.applications
    for application, module in ((judge_app, app_module), (gateway_app, gateway_module)):
        assert application.import_path == f"{module.__name__}:{module.app.__name__}"
        assert [deployment.name for deployment in application.deployments] == [module.DEPLOYMENT]
    judge, gateway = JudgeConfig.model_validate(judge_app.args), GatewayConfig.model_validate(gateway_app.args)
    tiny = yaml.safe_load((CONFIG.parents[1] / "profiles" / "tiny.yaml").read_text())
    assert judge == JudgeConfig.model_validate(tiny["judge"])
    assert (gateway, gateway.app) == (GatewayConfig(), judge_app.name)
    assert config.proxy_location == "Disabled"


def test_absence_is_retried_and_defects_are_seen() -> None:
    def from_replica(cause: Exception) -> Exception:
        return RayTaskError("score", "traceback", cause).as_instanceof_cause()

    absent = [ActorDiedError(), RequestCancelledError(), RayServeException("no application")]
    assert all(isinstance(typed(error), Unavailable) for error in [*absent, from_replica(EngineDied())])
    assert isinstance(typed(BackPressureError(1, 1)), Overloaded)
    assert isinstance(GetTimeoutError(), TimeoutError)
    wrong, defect = from_replica(BadRequest("candidates: 9")), from_replica(KeyError(3))
    assert (str(typed(wrong)), type(typed(wrong)), typed(defect)) == ("candidates: 9", BadRequest, defect)


@pytest.mark.parametrize("field", ["attempt", "api_version", "deadline_s"])
@pytest.mark.parametrize("value", [True, "1"])
def test_over_http_neither_true_nor_text_is_a_number(field: str, value: object) -> None:
    body = {"request_id": "a", "lr": "", "candidates": [""]}
    for number in (1, 1.0):
        assert parse_body(json.dumps({**body, field: number}).encode()).header.request_id == "a"
    with pytest.raises(BadRequest, match=f"^{field}: "):
        parse_body(json.dumps({**body, field: value}).encode())
