"""COMPASS as the conductor sees it: the client's requests, and in FR-RL the fidelity measured against GT."""

from typing import Any

import ray
from ray import serve
from ray.serve.exceptions import RayServeException

from oars.compass.outcome import CandidateOutcome
from oars.config import RunConfig
from oars.imaging.crops import Pair
from reward_server.client import CompassClient, probe
from reward_server.errors import NoCompass
from reward_server.metrics import ClientMetrics
from reward_server.pictures import Pixels
from reward_server.schema import ScoreResponse
from services.fidelity import judge_labels, measured_fidelity
from services.roles import Judgement


def connect_compass(config: RunConfig) -> "CompassJudge":
    """To the application of this cluster, or to the endpoint in the config. Raises NoCompass."""
    client = CompassClient(config.reward, config.judge, failed_attempt=ClientMetrics().failed_attempt)
    if config.reward.endpoint is None:
        _check_application(config.reward.app)
    else:
        probe(config.reward, config.judge)
    return CompassJudge(client, config)


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
    """Satisfies `services.roles.Judge`."""

    def __init__(self, client: CompassClient, config: RunConfig) -> None:
        self._client, self._candidates = client, config.rollout.candidates
        self._by_reference = config.reward.endpoint is None
        self._labels = judge_labels(config.judge.path)
        self._measure = ray.remote(measured_fidelity).options(num_cpus=1, max_retries=3, name="oars.measured_fidelity")

    async def score(self, request_id: str, pair: Pair, images: Any) -> Judgement:
        """The K candidates of one group, an ObjectRef. F is measured where the pair has its GT."""
        fidelity = None
        if pair.gt is not None:
            fidelity = await self._measure.remote(images, pair.gt, self._labels)
        sent = images if self._by_reference else await images
        answer = await self._client.score(request_id, pair.lr, sent, fidelity, count=self._candidates)
        return _judgement(answer, fidelity)

    async def score_one(self, request_id: str, pair: Pair, image: Pixels) -> CandidateOutcome:
        """One picture uint8 [H, W, 3], with the judge's own F also where there is a GT."""
        return (await self._client.score(request_id, pair.lr, image[None])).outcomes[0]


def _judgement(answer: ScoreResponse, measured: list[float] | None) -> Judgement:
    provenance = answer.provenance.model_dump(mode="json") if answer.provenance else {}
    pairs = zip(answer.judged_fidelity, measured or [], strict=False)
    gaps = [abs(judged - true) for judged, true in pairs if judged is not None]
    return Judgement(list(answer.outcomes), provenance, sum(gaps) / len(gaps) if gaps else None)
