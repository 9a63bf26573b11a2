"""COMPASS as the conductor sees it: the client's requests, and in FR-RL the fidelity measured against GT."""

import asyncio
from typing import Any

import ray
from ray import serve
from ray.exceptions import ObjectLostError, WorkerCrashedError
from ray.serve.exceptions import RayServeException

from oars.compass.outcome import CandidateOutcome, Failed, FailureReason
from oars.config import RunConfig
from oars.imaging.crops import Pair
from reward_server.checkpoint import judge_digest, judge_directory
from reward_server.client import CompassClient, probe
from reward_server.errors import NoCompass, WrongJudge
from reward_server.metrics import ClientMetrics
from reward_server.pictures import Pixels
from reward_server.schema import Description, ScoreResponse
from services.control.measured_fidelity import judge_labels, measured_fidelity
from services.control.protocols import Judgement
from services.run.telemetry import Telemetry


def connect_compass(config: RunConfig, telemetry: Telemetry) -> "CompassJudge":
    """Connect to the application of this cluster, or to the endpoint in the config. Raises NoCompass, WrongJudge,
    BadJudge."""
    metrics = ClientMetrics()

    def failed_attempt(reason: FailureReason) -> None:
        metrics.failed_attempt(reason)
        telemetry.warning("score_attempt_failed", reason=reason)

    client = CompassClient(config.reward, config.judge, failed_attempt=failed_attempt)
    if config.reward.endpoint is None:
        _check_application(config.reward.app)
    check_same_judge(probe(config.reward, config.judge), config)
    return CompassJudge(client, config)


def check_same_judge(served: Description, config: RunConfig) -> None:
    """The run reads the scale of measured fidelity from its own judge's directory, and its records name that judge.

    An endpoint that tells no digest is believed. Raises WrongJudge, BadJudge.
    """
    own = judge_digest(judge_directory(config.judge.path))
    if served.judge_digest not in (None, own):
        where = config.reward.endpoint or f"Serve application {config.reward.app!r}"
        raise WrongJudge(
            f"judge: {where} serves the judge {str(served.judge_digest)[:12]}, judge.path={config.judge.path} is "
            f"{own[:12]}; set judge.path to the served one, or exchange it with `oars serve replace --judge DIR`"
        )


def _check_application(name: str) -> None:
    try:
        status = serve.status().applications.get(name)
    except RayServeException as error:
        raise NoCompass(_missing(name, "Serve is not running")) from error
    if status is None or status.status != "RUNNING":
        raise NoCompass(_missing(name, "not deployed" if status is None else str(status.status)))


def _missing(name: str, why: str) -> str:
    return f"Serve application {name!r}: {why}; deploy it with `oars serve` or `serve deploy deploy/serve/compass.yaml`"


class CompassJudge:
    """Satisfies `services.control.protocols.Judge`."""

    def __init__(self, client: CompassClient, config: RunConfig) -> None:
        self._client, self._candidates = client, config.rollout.candidates
        self._by_reference = config.reward.endpoint is None
        self._labels, self._deadline_s = judge_labels(config.judge.path), config.reward.deadline_s
        self._measure = ray.remote(measured_fidelity).options(num_cpus=1, max_retries=3, name="oars.measured_fidelity")

    async def score(self, request_id: str, pair: Pair, images: Any) -> Judgement:
        """The K candidates of one group, an ObjectRef. F is measured where the pair has its GT."""
        fidelity = None if pair.gt is None else await self._fidelity(images, pair.gt)
        if isinstance(fidelity, Failed):
            return Judgement([fidelity] * self._candidates, {})
        sent = images if self._by_reference else await images
        answer = await self._client.score(request_id, pair.lr, sent, fidelity, count=self._candidates)
        return _judgement(answer, fidelity)

    async def _fidelity(self, images: Any, gt: Pixels) -> list[float] | Failed:
        """Measured in a task that Ray repeats if its worker dies."""
        try:
            async with asyncio.timeout(self._deadline_s):
                measured: list[float] = await self._measure.remote(images, gt, self._labels)
        except TimeoutError:
            return Failed(reason=FailureReason.DEADLINE, detail=f"fidelity not measured in {self._deadline_s:.0f} s")
        except (WorkerCrashedError, ObjectLostError) as error:
            return Failed(reason=FailureReason.UNAVAILABLE, detail=f"fidelity: {type(error).__name__}")
        return measured

    async def score_one(self, request_id: str, pair: Pair, image: Pixels) -> CandidateOutcome:
        """One picture uint8 [H, W, 3], with the judge's own F also where there is a GT."""
        return (await self._client.score(request_id, pair.lr, image[None])).outcomes[0]


def _judgement(answer: ScoreResponse, measured: list[float] | None) -> Judgement:
    provenance = answer.provenance.model_dump(mode="json") if answer.provenance else {}
    pairs = zip(answer.judged_fidelity, measured or [], strict=False)
    gaps = [abs(judged - true) for judged, true in pairs if judged is not None]
    return Judgement(list(answer.outcomes), provenance, sum(gaps) / len(gaps) if gaps else None)
