"""The reward as the conductor sees it: the judge's readings, with F measured against GT in FR-RL, made into R."""

import asyncio
from typing import Any

import ray
from ray import serve
from ray.exceptions import ObjectLostError, WorkerCrashedError
from ray.serve.exceptions import RayServeException

from oars.compass.outcome import CandidateOutcome, Failed, FailureReason, Judged
from oars.compass.reward import Reward
from oars.compass.views import lr_view
from oars.compass.window import Window, draw_window
from oars.config import JudgeConfig, RewardClientConfig, RunConfig
from oars.imaging.crops import Pair
from reward_server.checkpoint import judge_identity
from reward_server.client import CompassClient, probe
from reward_server.errors import BadJudge, NoCompass, WrongJudge
from reward_server.metrics import ClientMetrics
from reward_server.pictures import Pixels
from reward_server.schema import Description
from services.control.measured_fidelity import FIDELITY, fidelity_is_measured, judge_labels, measured_fidelity
from services.control.protocols import Judgement
from services.run.telemetry import Telemetry


def connect_compass(config: RunConfig, judge: JudgeConfig, telemetry: Telemetry) -> "CompassJudge":
    """Connect to the application of this cluster, or to the endpoint in the config, which has to serve `judge`. Raises
    NoCompass, WrongJudge, BadJudge, BadReward."""
    reward = Reward.load(config.reward.function, config.reward.parameters)
    metrics = ClientMetrics()

    def failed_attempt(reason: FailureReason) -> None:
        metrics.failed_attempt(reason)
        telemetry.warning("score_attempt_failed", reason=reason)

    client = CompassClient(config.reward, config.judge, failed_attempt=failed_attempt)
    if config.reward.endpoint is None:
        _check_application(config.reward.app)
    served = probe(config.reward, config.judge)
    check_same_judge(served, judge, config.reward)
    reward.check(served.readings)
    telemetry.event("reward", **reward.provenance)
    return CompassJudge(client, config, reward)


def check_same_judge(served: Description, judge: JudgeConfig, reward: RewardClientConfig) -> None:
    """The run reads the scale of measured fidelity from its own judge's directory, and its records name that judge.

    An endpoint that tells no digest is believed, and so is one whose judge is not on this machine. Raises WrongJudge,
    BadJudge.
    """
    try:
        own = judge_identity(judge)
    except BadJudge:
        if reward.endpoint is None:
            raise
        return
    if served.judge_digest not in (None, own):
        where = reward.endpoint or f"Serve application {reward.app!r}"
        raise WrongJudge(
            f"judge: {where} serves the judge {str(served.judge_digest)[:12]}, the run's is {own[:12]} "
            f"({judge.class_path or judge.path}); name the served one in `judge`, or exchange it with "
            "`oars serve replace --judge DIR`"
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

    def __init__(self, client: CompassClient, config: RunConfig, reward: Reward) -> None:
        self._client, self._reward = client, reward
        self._by_reference, self._deadline_s = config.reward.endpoint is None, config.reward.deadline_s
        self._labels = judge_labels(config.judge) if fidelity_is_measured(config, reward) else None
        self._shift, self._scale = config.reward.window_shift, config.data.scale
        self._measure = ray.remote(measured_fidelity).options(num_cpus=1, max_retries=3, name="oars.measured_fidelity")
        self._cut = ray.remote(Window.of).options(num_cpus=0, max_retries=3, name="oars.window")

    async def score(self, request_id: str, pair: Pair, images: Any, count: int) -> Judgement:
        """The `count` candidates of one LR, an ObjectRef, in a window (`reward.window_shift`). F is measured on whole
        pictures, where the pair has its GT and the reward takes F."""
        fidelity = await self._fidelity(images, pair.gt)
        if isinstance(fidelity, Failed):
            return Judgement([fidelity] * count, {})
        lr, shown = self._windowed(request_id, pair.lr, images)
        answer = await self._client.score(request_id, lr, shown if self._by_reference else await shown, count=count)
        measured = [{FIDELITY: value} for value in fidelity] if fidelity else [{}] * count
        outcomes = [self._reward.score(*slot) for slot in zip(answer.outcomes, measured, strict=True)]
        origin = answer.provenance.model_dump(mode="json") | self._reward.provenance if answer.provenance else {}
        return Judgement(outcomes, origin, _divergence(answer.outcomes, fidelity))

    def _windowed(self, request_id: str, lr: Pixels, images: Any) -> tuple[Pixels, Any]:
        """The LR at the candidates' size and the candidates, an ObjectRef, cut alike, and at a retry as before it."""
        if not self._shift:
            return lr, images
        height, width = (side * self._scale for side in lr.shape[:2])
        window = draw_window(height, width, self._shift, request_id.partition(".")[0])
        return window.of(lr_view(lr, height, width)), self._cut.remote(window, images)

    async def _fidelity(self, images: Any, gt: Pixels | None) -> list[float] | Failed:
        """Measured in a task that Ray repeats if its worker dies; empty where it is not."""
        if gt is None or self._labels is None:
            return []
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
        return self._reward.score((await self._client.score(request_id, pair.lr, image[None])).outcomes[0])


def _divergence(outcomes: list[Judged | Failed], measured: list[float]) -> float | None:
    """Mean absolute difference of judged and measured F; None where F was not measured, or not judged."""
    pairs = zip(outcomes, measured, strict=False)  # nothing was measured: no pairs
    judged = [
        (one.readings[FIDELITY], true) for one, true in pairs if isinstance(one, Judged) and FIDELITY in one.readings
    ]
    return sum(abs(one - true) for one, true in judged) / len(judged) if judged else None
