"""The same judge without a service: vLLM's own `LLM` class in this process, on the same groups."""

import os
import time
from dataclasses import fields
from typing import Any

from oars.compass.judge_card import prompt_version_of
from oars.compass.prompt import Prompts
from oars.config import JudgeConfig
from reward_server.checkpoint import judge_directory
from reward_server.engine import engine_args, set_environment
from reward_server.pictures import Group, View, prepare
from services.bench.requests import Groups


class OfflineJudge:
    """One engine with the settings of the served one. `shutdown` ends its process."""

    def __init__(self, config: JudgeConfig) -> None:
        set_environment(config)
        # vLLM's default, and faster here: requests are prepared while the engine works.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
        from transformers import AutoProcessor
        from vllm import LLM, SamplingParams

        directory = judge_directory(config.path)
        args, plain = engine_args(directory, config), type(engine_args(directory, config))(model=str(directory))
        same = {f.name: getattr(args, f.name) for f in fields(args)}
        settings = {name: value for name, value in same.items() if value != getattr(plain, name)}
        settings.pop("enable_log_requests", None)
        self._config = config
        self._llm = LLM(model=str(directory), **settings)
        processor = AutoProcessor.from_pretrained(directory, local_files_only=True)
        self.prompts = Prompts.of(processor, prompt_version_of(directory))
        ids = self.prompts.tokens.ids
        self._scores = SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=ids, detokenize=False)

    def pairs_per_s(self, groups: Groups, first: int, count: int) -> float:
        """Pairs a second over `count` groups, all submitted at once: the engine's own best, views and digests
        included."""
        chosen = [groups[number] for number in range(first, first + count)]
        begun = time.perf_counter()
        prompts = [prompt for group in chosen for prompt in self._prompts(group.lr, list(group.candidates))]
        outputs = self._llm.generate(prompts, self._scores, use_tqdm=False)
        assert len(outputs) == len(prompts)
        return sum(len(group.candidates) for group in chosen) / (time.perf_counter() - begun)

    def text(self, images: list[View], prompt: str, tokens: int) -> str:
        """Greedy decoding of exactly `tokens` tokens: how a server works that lets the judge write its scores."""
        from vllm import SamplingParams

        sampling = SamplingParams(max_tokens=tokens, min_tokens=tokens, temperature=0)
        return self._llm.generate([_request(prompt, images)], sampling, use_tqdm=False)[0].outputs[0].text

    def shutdown(self) -> None:
        self._llm.llm_engine.engine_core.shutdown()

    def _prompts(self, lr: Any, candidates: list[Any]) -> list[Any]:
        group = prepare(lr, candidates, self._config)
        assert isinstance(group, Group)
        views = [view for view in group.candidates if isinstance(view, View)]
        shown = [[group.lr], *([group.lr, view] for view in views)]
        if not self.prompts.version.joint:
            shown += [[view] for view in views]
        return [_request(self.prompts.about(len(pictures)), pictures) for pictures in shown]


def _request(prompt: str, views: list[View]) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "multi_modal_data": {"image": [view.image for view in views]},
        "multi_modal_uuids": {"image": [view.digest for view in views]},
    }
