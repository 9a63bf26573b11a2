"""schemathesis against the HTTP gateway's own OpenAPI document: requests that fit it, and requests that break it."""

from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup, ServerError
from schemathesis.openapi.checks import RejectedPositiveData

from benchmarks.fuzz.report import HONEST, Report

_TIMEOUT_S = 120.0


def run_schemathesis(url: str, token: str | None, examples: int, seed_: int) -> Report:
    """About `examples` requests over all operations; a failed check of an answer is a fault."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    document = requests.get(f"{url}/openapi.json", timeout=_TIMEOUT_S).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url, headers=headers)
    report, session = Report(), requests.Session()
    session.trust_env = False
    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
    # Only one operation takes a body; the others are tried enough by a handful.
    weights = {operation: 10 if operation.method.upper() == "POST" else 1 for operation in operations}
    for operation, weight in weights.items():
        # Without parameters there is nothing to break.
        for mode in GenerationMode if operation.body else (GenerationMode.POSITIVE,):
            count = max(1, round(examples * weight / sum(weights.values()) / len(GenerationMode)))
            _attack(operation, mode, count, seed_, headers, session, report)
    return report


def _honest(failure: BaseException, response: Any) -> bool:
    """A server error that is an overload or the caller's own deadline; a refusal for what no schema can say: counts."""
    if isinstance(failure, ServerError):
        return str(response.status_code) in HONEST
    detail = response.json().get("detail", "") if response.status_code == requests.codes.unprocessable else ""
    return isinstance(failure, RejectedPositiveData) and detail.startswith("candidates: ")


def _attack(operation, mode, count, seed_, headers, session, report) -> None:  # type: ignore[no-untyped-def]
    family = f"schemathesis: {mode.value} {operation.method.upper()} {operation.path}"

    @seed(seed_)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def attack(case) -> None:  # type: ignore[no-untyped-def]
        try:
            response = case.call(headers=headers, session=session, timeout=_TIMEOUT_S)
        except requests.RequestException as error:
            report.add(family, type(error).__name__)
            return
        report.add(family, str(response.status_code))
        try:
            case.validate_response(response, headers=headers)
        except FailureGroup as group:
            report.faults += [f"{family}: {failure}" for failure in group.exceptions if not _honest(failure, response)]

    attack()
