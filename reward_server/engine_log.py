"""vLLM's own account of its steps, added up: batch sizes, prefix cache, vision encoder.

Imports vLLM, so it is imported after the environment is set (`reward_server.engine.set_environment`).
"""

from typing import Any

from reward_server.compat.vllm import StatLoggerBase
from reward_server.metrics import ReplicaMetrics
from reward_server.statistics import EngineStatistics


class EngineLog(StatLoggerBase):
    """Satisfies vLLM's factory for stat loggers: call `EngineLog.to(statistics, metrics)` for one."""

    statistics: EngineStatistics
    metrics: ReplicaMetrics

    @classmethod
    def to(cls, statistics: EngineStatistics, metrics: ReplicaMetrics) -> type["EngineLog"]:
        return type(cls.__name__, (cls,), {"statistics": statistics, "metrics": metrics})

    def __init__(self, vllm_config: Any, engine_index: int = 0) -> None:
        del vllm_config, engine_index

    def record(
        self, scheduler_stats: Any, iteration_stats: Any, mm_cache_stats: Any = None, engine_idx: int = 0
    ) -> None:
        del iteration_stats, engine_idx
        if mm_cache_stats is not None:
            self.statistics.pictures_seen += mm_cache_stats.queries
            self.statistics.pictures_known += mm_cache_stats.hits
        step = getattr(scheduler_stats, "iteration_details", None)
        if step is None or step.is_dummy:
            return
        prefix = scheduler_stats.prefix_cache_stats
        shared = prefix.hits if prefix else 0
        self.statistics.step(
            prompts=step.num_ctx_requests,
            computed=step.num_ctx_tokens,
            shared=shared,
            encoded=step.num_encoder_inputs,
        )
        self.metrics.step(step.num_ctx_requests, step.num_ctx_tokens, shared)

    def log_engine_initialized(self) -> None:
        pass
