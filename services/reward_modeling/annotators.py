"""Multimodal models as annotators: vLLM engines inside Ray Data actors, one shard of pictures a call.

What a model answers unreadably comes back as None, and its place is taken by what the metrics predict, marked as such:
an answer is never made up, and one unreadable answer in ten thousand costs no group.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from PIL import Image
from ray.data import ActorPoolStrategy

from oars.compass.annotation.stages import pairs
from oars.compass.annotation.vlm import COMPARISON_QUESTION, LETTERS, RATING_QUESTION, preference, read_rating
from oars.compass.data.dataset import CuratedGroup, Manifest, read_shard_groups
from oars.compass.data.tables import LR, Row
from oars.compass.prompt import IMAGE
from oars.compass.views import lr_view
from oars.config.annotation import VlmConfig
from oars.config.compass import JudgeConfig
from reward_server.checkpoint import judge_directory
from reward_server.engine import engine_args, set_environment
from services.reward_modeling.curation import quiet_ray_data

Pixels = NDArray[np.uint8]

_TURN = "<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n"


class VlmEngine:
    """vLLM's offline engine on a Qwen-VL checkpoint. Raises BadJudge if there is none at the path."""

    def __init__(self, config: VlmConfig) -> None:
        directory = judge_directory(config.engine.path)
        set_environment(config.engine)
        self._llm, self._config = _offline(directory, config.engine), config
        tokenizer = self._llm.get_tokenizer()
        self._letters = {letter: tokenizer.encode(letter, add_special_tokens=False)[0] for letter in LETTERS}

    def rate(self, images: Sequence[Pixels]) -> list[float | None]:
        """Each picture alone: 1..5, or None where the answer has no rating."""
        from vllm import SamplingParams

        question = self._config.question or RATING_QUESTION
        sampling = SamplingParams(temperature=0, max_tokens=self._config.max_tokens)
        return [read_rating(output.outputs[0].text) for output in self._ask(question, [[i] for i in images], sampling)]

    def prefer(self, couples: Sequence[tuple[Pixels, Pixels]]) -> list[float | None]:
        """Probability that the first of each pair looks better; each pair is asked in both orders."""
        from vllm import SamplingParams

        question = self._config.question or COMPARISON_QUESTION
        ids = list(self._letters.values())
        sampling = SamplingParams(temperature=0, max_tokens=1, logprob_token_ids=ids)
        orders = [list(order) for couple in couples for order in (couple, couple[::-1])]
        told = [self._probabilities(output) for output in self._ask(question, orders, sampling)]
        return [preference(forward, backward) for forward, backward in zip(told[::2], told[1::2], strict=True)]

    def _ask(self, question: str, pictures: Sequence[list[Pixels]], sampling: Any) -> list[Any]:
        prompts = [
            {
                "prompt": _TURN.format(content=IMAGE * len(images) + question),
                "multi_modal_data": {"image": [Image.fromarray(image) for image in images]},
            }
            for images in pictures
        ]
        return self._llm.generate(prompts, sampling, use_tqdm=False)

    def _probabilities(self, output: Any) -> dict[str, float]:
        logprobs = output.outputs[0].logprobs[0]
        return {letter: float(np.exp(logprobs[token].logprob)) for letter, token in self._letters.items()}


def _offline(directory: Path, config: JudgeConfig) -> Any:
    from vllm import LLM
    from vllm.engine.arg_utils import EngineArgs

    served = engine_args(directory, config)
    shared = {name: getattr(served, name) for name in EngineArgs.__dataclass_fields__}
    return LLM.from_engine_args(EngineArgs(**shared))


def anchors_of(engine: VlmEngine, group: CuratedGroup) -> list[Row]:
    """The input and its outputs, each alone."""
    images = [lr_view(group.lr, *group.sr.shape[1:3]), *group.sr]
    return [{"enhancer": n, "value": v} for n, v in zip((LR, *group.enhancers), engine.rate(images), strict=True)]


def comparisons_of(engine: VlmEngine, group: CuratedGroup) -> list[Row]:
    images = dict(zip(group.enhancers, group.sr, strict=True))
    couples = pairs(group.enhancers)
    told = engine.prefer([(images[first], images[second]) for first, second in couples])
    return [{"first": a, "second": b, "value": value} for (a, b), value in zip(couples, told, strict=True)]


Question = Callable[[VlmEngine, CuratedGroup], list[Row]]


def ask_all(
    config: VlmConfig, directory: Path, manifest: Manifest, shards: Sequence[str], question: Question
) -> Iterator[tuple[str, list[Row]]]:
    """Every group of `shards`, as they get ready: shard, and its rows with `input_id` and the answer as `value`."""
    quiet_ray_data()
    resources = config.engine.resources
    answers = ray.data.from_items(list(range(len(shards))), override_num_blocks=len(shards)).map(
        _Asking,
        fn_constructor_args=(config, directory, manifest, list(shards), question),
        compute=ActorPoolStrategy(size=min(config.engines, len(shards))),
        num_cpus=resources.num_cpus,
        num_gpus=resources.num_gpus,
    )
    for row in answers.iter_rows():
        yield shards[row["item"]], row["rows"]


class _Asking:
    def __init__(
        self, config: VlmConfig, directory: Path, manifest: Manifest, shards: list[str], question: Question
    ) -> None:
        self._engine, self._question = VlmEngine(config), question
        self._directory, self._manifest, self._shards = directory, manifest, shards

    def __call__(self, row: Row) -> Row:
        groups = read_shard_groups(self._directory, self._manifest, self._shards[row["item"]])
        rows = [{"input_id": g.input_id} | answer for g in groups for answer in self._question(self._engine, g)]
        return {"item": row["item"], "rows": rows}
