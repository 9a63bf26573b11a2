"""Parts of vLLM's V1 engine that have no name outside `vllm.v1`. Imports vLLM: import it after the environment is set.

`tests/unit/compat` fails with "vllm changed X" when one of them goes.
"""

from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError
from vllm.v1.metrics.loggers import StatLoggerBase

__all__ = ["AsyncLLM", "EngineDeadError", "EngineGenerateError", "StatLoggerBase"]
"""The engine inside an event loop, how it says that it died, and the only way to its step statistics."""
