"""COMPASS as the conductor sees it: the client's requests, and in FR-RL the fidelity measured against GT."""

import ray
from ray import serve
from ray.serve.exceptions import RayServeException

from oars.config import RunConfig
from oars.imaging.crops import Pair
from reward_server.client import CompassClient
from services.fidelity import measured_fidelity
from services.roles import Judgement


class NoCompass(RuntimeError):
    """The Serve app is not there; the message says how to deploy it."""


def connect_compass(config: RunConfig) -> "CompassJudge":
    """Raises NoCompass."""
    name = config.reward.app
    try:
        status = serve.status().applications.get(name)
    except RayServeException as error:
        raise NoCompass(_missing(name, "Serve is not running")) from error
    if status is None or status.status != "RUNNING":
        raise NoCompass(_missing(name, "not deployed" if status is None else str(status.status)))
    return CompassJudge(CompassClient(config.reward), config)


def _missing(name: str, why: str) -> str:
    return f"Serve application {name!r}: {why}; deploy it with `oars serve` or `serve deploy deploy/serve/compass.yaml`"


class CompassJudge:
    """Satisfies `services.roles.Judge`."""

    def __init__(self, client: CompassClient, config: RunConfig) -> None:
        self._client, self._config = client, config
        resources = config.rollout.resources
        self._measure = ray.remote(measured_fidelity).options(
            num_cpus=1, label_selector=resources.label_selector, max_retries=3, name="oars.measured_fidelity"
        )

    async def score(self, request_id: str, pair: Pair, images: object) -> Judgement:
        fidelity = None
        if pair.gt is not None:
            fidelity = await self._measure.remote(images, pair.gt, self._config.judge.path)
        response = await self._client.score(request_id, pair.lr, images, fidelity)
        provenance = response.provenance
        return Judgement(list(response.outcomes), provenance.model_dump(mode="json") if provenance else {})
