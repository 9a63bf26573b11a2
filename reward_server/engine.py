"""The judge on vLLM: one engine request a prompt, the exact distribution over the score tokens at one decoded position.

A group is one quality prompt of the LR (Q_LR, read once), a transition prompt of each candidate and, by the prompt
version, a quality prompt of it (oars/compass/prompt.py). Those that begin with the LR share its tokens, which prefix
caching computes once; all name their pictures by digest, so that each picture is preprocessed and encoded once; of
equal candidates one is judged, and exact duplicates of what was judged lately are answered from memory. Logprobs are
vLLM's raw ones, over the whole vocabulary and before any mask: their sum over the score tokens is a confidence.
The engine process is the failure domain: one bad candidate is a `Failed` in its slot, a dead engine is `EngineDied`.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oars.compass.calibrated import Scale
from oars.compass.formula import READINGS
from oars.compass.judge_card import prompt_version_of
from oars.compass.outcome import Failed, FailureReason, Judged
from oars.compass.prompt import BadPrompts, Prompts
from oars.config import JudgeConfig
from reward_server.errors import BadJudge, EngineDied
from reward_server.judgement import Answer, Logprobs, answer_about, judgement
from reward_server.metrics import ReplicaMetrics
from reward_server.pictures import Candidate, Group, View, prepare
from reward_server.score_cache import ScoreCache
from reward_server.self_test import check_known_transitions
from reward_server.sentinel import Sentinel
from reward_server.statistics import EngineStatistics

if TYPE_CHECKING:
    from vllm.engine.arg_utils import AsyncEngineArgs

_GIB = 1 << 30
# Of the engine's processes.
_TITLE = "oars:compass"
# Preprocessed pictures are kept for the prompts of one group, which share them; the next group's are new.
_PICTURE_CACHE_GIB = 0.5
ANSWERS_S = 9.0
"""Seconds that the engine process has for one question. Less than the `health_check_timeout_s` of deploy/serve, and
three in a row, after which Serve replaces a replica, are longer than any step of the engine."""
# vLLM's two halves may disagree on which pictures the engine holds, after an abort; the second time they are sent.
_SENDS = 2


def set_environment(config: JudgeConfig) -> None:
    """Everything that vLLM reads from the environment. Before the first import of vllm; what is set already wins."""
    defaults = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_PROCESS_NAME_PREFIX": _TITLE,
        # vLLM would pin its threads to cores, where they fight with whatever else runs there.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }
    if config.tensor_parallel == 1:
        # On a CPU, the model then lives in the engine process, as on one GPU: one process and 0.5 GiB less.
        defaults["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # Ray sets this one to the reserved CPUs of the actor.
    os.environ["OMP_NUM_THREADS"] = str(config.resources.threads)


def engine_args(directory: Path, config: JudgeConfig) -> "AsyncEngineArgs":
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.platforms import current_platform

    on_cpu = current_platform.is_cpu()
    return AsyncEngineArgs(
        model=str(directory),
        dtype=_dtype(config, on_cpu),
        max_model_len=config.max_model_len,
        max_num_seqs=config.max_num_seqs,
        max_num_batched_tokens=config.max_num_batched_tokens,
        block_size=config.block_size,
        enable_prefix_caching=True,
        tensor_parallel_size=config.tensor_parallel,
        gpu_memory_utilization=config.gpu_memory_utilization,
        kv_cache_memory_bytes=int(config.cpu_kv_cache_gib * _GIB) if on_cpu else None,
        enforce_eager=config.enforce_eager,
        limit_mm_per_prompt={"image": 2, "video": 0},
        mm_processor_cache_gb=_PICTURE_CACHE_GIB,
        # Profiling measures GPU memory; on a CPU it only delays the start.
        skip_mm_profiling=on_cpu,
        # Prometheus and log lines of vLLM's own; EngineLog takes the figures instead.
        disable_log_stats=True,
        enable_logging_iteration_details=True,
    )


def _dtype(config: JudgeConfig, on_cpu: bool) -> str:
    """The dtype's name in vLLM. On a GPU it does not touch CUDA, which vLLM must initialise itself."""
    if config.dtype != "native":
        return config.dtype
    from oars.precision import cpu_has_bfloat16  # torch, which the environment has to precede

    return "bfloat16" if not on_cpu or cpu_has_bfloat16() else "float32"


def _prompts(directory: Path) -> Prompts:
    """Raises BadJudge."""
    from transformers import AutoProcessor

    try:
        return Prompts.of(AutoProcessor.from_pretrained(directory, local_files_only=True), prompt_version_of(directory))
    except BadPrompts as error:
        raise BadJudge(f"judge {directory}: {error}") from error


class JudgeEngine:
    """Owns the vLLM engine. Create it inside the event loop that calls it. Satisfies
    reward_server.app.ReplicaJudge."""

    readings: tuple[str, ...] = READINGS

    def __init__(
        self, directory: Path, config: JudgeConfig, judge_digest: str, scale: Scale, metrics: ReplicaMetrics
    ) -> None:
        set_environment(config)
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        from reward_server.compat.vllm import AsyncLLM
        from reward_server.engine_log import EngineLog

        self._config, self._directory = config, directory
        self.digest, self.scale = judge_digest, scale
        self.statistics = EngineStatistics()
        self._metrics = metrics
        self._prompts = _prompts(directory)
        self.prompt_version: str | None = self._prompts.version.name
        self._known = ScoreCache(judge_digest, self._prompts.version.name, config.score_cache)
        log = EngineLog.to(self.statistics, metrics)
        self._llm = AsyncLLM.from_engine_args(engine_args(directory, config), stat_loggers=[log])
        self._sentinel = Sentinel(_TITLE)
        self._sampling = SamplingParams(
            max_tokens=1,
            temperature=0,
            logprob_token_ids=self._prompts.tokens.ids,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    async def self_test(self) -> None:
        """Raises BadJudge if the judge does not read known transitions as its checkpoint's self-test says."""
        await check_known_transitions(self._read_group, self._directory)

    async def score(self, request_id: str, lr: Candidate, candidates: Sequence[Candidate]) -> list[Judged | Failed]:
        """One outcome a candidate, in their order. LR and candidates uint8 [H, W, 3]. Raises EngineDied."""
        return [self.scale.apply(outcome) for outcome in await self._read_group(request_id, lr, candidates)]

    async def _read_group(
        self, request_id: str, lr: Candidate, candidates: Sequence[Candidate]
    ) -> list[Judged | Failed]:
        """The same, not calibrated."""
        # Resizing and hashing would stall the event loop.
        group = await asyncio.to_thread(prepare, lr, candidates, self._config)
        if isinstance(group, Failed):
            return [group] * len(candidates)
        # Equal candidates are asked about once.
        views = {view.digest: view for view in group.candidates if isinstance(view, View)}
        source, about = await asyncio.gather(
            self._read(f"{request_id}/input", [group.lr]),
            asyncio.gather(
                *(self._candidate(f"{request_id}/{k}", group.lr, view) for k, view in enumerate(views.values()))
            ),
        )
        answers = dict(zip(views, about, strict=True))
        slots = [sr if isinstance(sr, Failed) else answers[sr.digest] for sr in group.candidates]
        results = [judgement(self._prompts, source, answer, self._config.min_confidence) for answer in slots]
        self._remember(group, source, slots, results)
        return results

    async def check(self, within_s: float = ANSWERS_S) -> None:
        """Raises EngineDied if the engine process is gone, or does not answer: hung, or stopped."""
        from reward_server.compat.vllm import EngineDeadError

        try:
            async with asyncio.timeout(within_s):
                await self._llm.check_health()
                await self._llm.is_sleeping()  # a question to the process itself, answered between two steps
        except EngineDeadError as error:
            raise EngineDied(str(error)) from error
        except TimeoutError as error:
            raise EngineDied(f"the engine process has not answered for {within_s:.0f} s") from error

    def shutdown(self) -> None:
        self._llm.shutdown()
        self._sentinel.dismiss()

    def _remember(
        self, group: Group, source: Logprobs | Failed, slots: list[Answer | Failed], results: list[Judged | Failed]
    ) -> None:
        """Cache the answers that made readings."""
        for view, answer, result in zip(group.candidates, slots, results, strict=True):
            if isinstance(result, Judged) and isinstance(view, View):
                assert not isinstance(source, Failed) and not isinstance(answer, Failed)
                self._known.keep([group.lr], source)
                self._known.keep([group.lr, view], answer.fidelity)
                if not self._prompts.version.joint:
                    self._known.keep([view], answer.quality)

    async def _candidate(self, name: str, lr: View, sr: View) -> Answer | Failed:
        return await answer_about(self._prompts, lambda views: self._read(f"{name}/{len(views)}", views), lr, sr)

    async def _read(self, request_id: str, views: Sequence[View]) -> Logprobs | Failed:
        """The judge's answer about a picture, or about a transition."""
        known = self._known.get(views)
        self._metrics.answer("engine" if known is None else "known")
        if known is not None:
            self.statistics.answers_known += 1
            return known
        return await self._ask(request_id, views)

    async def _ask(self, request_id: str, views: Sequence[View]) -> Logprobs | Failed:
        """Logprobs of the score tokens at the answer position. Cancelling the caller aborts the engine's request."""
        from reward_server.compat.vllm import EngineDeadError, EngineGenerateError

        request: Any = {
            "prompt": self._prompts.about(len(views)),
            "multi_modal_data": {"image": [view.image for view in views]},
            "multi_modal_uuids": {"image": [view.digest for view in views]},
        }
        try:
            for send in range(_SENDS):
                name = f"{request_id}/{send}"
                outputs = [output async for output in self._llm.generate(request, self._sampling, name)]
                if answer := outputs[-1].outputs[0].logprobs:
                    return {token: entry.logprob for token, entry in answer[0].items()}
        except EngineDeadError as error:
            raise EngineDied(str(error)) from error
        except (EngineGenerateError, ValueError) as error:
            # ValueError is vLLM's way to refuse a prompt, for instance one longer than the model takes.
            return Failed(reason=FailureReason.ENGINE_ERROR, detail=str(error.__cause__ or error))
        return Failed(reason=FailureReason.ENGINE_ERROR, detail="the engine returned no logprobs")
