"""The judge behind any OpenAI-compatible vLLM server (`vllm serve CHECKPOINT`), scored as our own engine scores it.

A prompt of oars/compass/prompt.py becomes one chat message whose parts are its texts and pictures in their order. The
server's chat template has to render it back to that very prompt; the server is asked to return what it rendered, and
anything else is refused, because a judge that is asked in other words gives other scores. Log probabilities are asked
for by the ids of the score tokens, so they are exact, over the whole vocabulary.
"""

import asyncio
import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from oars.compass.formula import READINGS
from oars.compass.outcome import Failed, FailureReason, Judged
from oars.compass.prompt import (
    FIDELITY_LEVELS,
    IMAGE,
    INPUT_PROMPT,
    PROMPT_VERSION,
    QUALITY_LEVELS,
    TRANSITION_PROMPT,
    ScoreTokens,
)
from oars.config import JudgeConfig
from oars.imaging.image_io import Pixels, encode_png
from reward_server.errors import BadRequest, Unauthenticated
from reward_server.judgement import Logprobs, judgement
from reward_server.pictures import View, prepare
from reward_server.schema import Description, Provenance, ScoreHeader, ScoreResponse, check_count
from reward_server.transports.base import pixels
from reward_server.transports.http_gateway import JsonHttp

_ASK_S = 10.0
"""Deadline of the two questions about model and tokens."""
# What the template adds around the message that we send.
_BEFORE, _AFTER = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"


class _Answer(BaseModel):
    """The fields that we read; the server's others are its own affair."""

    model_config = ConfigDict(extra="ignore")


class _TokenLogprob(_Answer):
    token: str
    logprob: float


class _Position(_Answer):
    top_logprobs: list[_TokenLogprob]


class _Logprobs(_Answer):
    content: list[_Position]


class _Choice(_Answer):
    logprobs: _Logprobs


class _Chat(_Answer):
    choices: list[_Choice]
    prompt_text: str | None = None


class _Model(_Answer):
    id: str


class _Models(_Answer):
    data: list[_Model]


class _Tokenized(_Answer):
    tokens: list[int]


@dataclass(frozen=True)
class _Served:
    """The first model of the server, and the score tokens of its tokenizer."""

    model: str
    tokens: ScoreTokens


class OpenAITransport:
    """`config` gives the bounds of pictures and of confidence, which the server knows nothing of."""

    def __init__(self, url: str, token: str | None, ca_file: Path | None, config: JudgeConfig) -> None:
        """`url` ends in the API's version, as in http://host:8000/v1."""
        root, _, version = url.rstrip("/").rpartition("/")
        self._url, self._version, self._config = url, f"/{version}", config
        self._http = JsonHttp(root, token, ca_file)
        self._served: _Served | None = None

    async def score(self, header: ScoreHeader, lr: Any, candidates: Any, deadline_s: float) -> ScoreResponse:
        started = asyncio.get_running_loop().time()
        first, *others = pixels(lr, candidates)
        check_count(len(others), self._config.max_candidates)
        served = await self._connected()
        outcomes = await self._judge(served, first, others, deadline_s)
        provenance = Provenance(
            judge_digest=None,
            prompt_version=PROMPT_VERSION,
            replica=f"{served.model} at {self._url}",
            attempt=header.attempt,
            seconds=asyncio.get_running_loop().time() - started,
        )
        return ScoreResponse(request_id=header.request_id, outcomes=outcomes, provenance=provenance)

    async def describe(self) -> Description:
        await self._connected()
        return Description.of(self._config, None, PROMPT_VERSION, READINGS)

    async def close(self) -> None:
        await self._http.close()

    async def _judge(
        self, served: _Served, lr: Pixels, candidates: list[Pixels], deadline_s: float
    ) -> list[Judged | Failed]:
        group = await asyncio.to_thread(prepare, lr, candidates, self._config)
        if isinstance(group, Failed):
            return [group] * len(candidates)
        asked = [[group.lr], *([group.lr, sr] for sr in group.candidates if not isinstance(sr, Failed))]
        prompts = [INPUT_PROMPT, *[TRANSITION_PROMPT] * (len(asked) - 1)]
        work = [
            asyncio.create_task(self._ask(served, prompt, views, deadline_s))
            for prompt, views in zip(prompts, asked, strict=True)
        ]
        try:
            source, *answers = await asyncio.gather(*work)
        finally:  # one that fails fails the group: nobody waits for the others
            for task in work:
                task.cancel()
        answered = iter(answers)
        transitions = [sr if isinstance(sr, Failed) else next(answered) for sr in group.candidates]
        return [judgement(served.tokens, source, answer, self._config.min_confidence) for answer in transitions]

    async def _connected(self) -> _Served:
        if self._served is None:
            models = _Models.model_validate_json(await self._http.get(f"{self._version}/models", _ASK_S))
            model = models.data[0].id
            levels = [*QUALITY_LEVELS, *FIDELITY_LEVELS]
            found = await asyncio.gather(*(self._tokenize(model, level) for level in levels))
            by_text = dict(zip(levels, found, strict=True))
            self._served = _Served(model, ScoreTokens.of(_Table(by_text)))
        return self._served

    async def _tokenize(self, model: str, text: str) -> list[int]:
        body = json.dumps({"model": model, "prompt": text, "add_special_tokens": False})
        return _Tokenized.model_validate_json(await self._http.post("/tokenize", body, _ASK_S)).tokens

    async def _ask(self, served: _Served, prompt: str, views: list[View], deadline_s: float) -> Logprobs | Failed:
        """A refusal by the server is this prompt's failure alone. Cancelling the caller closes the connection, upon
        which vLLM aborts the request."""
        body = await asyncio.to_thread(_chat, served, prompt, views)
        try:
            answer = await self._http.post(f"{self._version}/chat/completions", body, deadline_s)
        except Unauthenticated:
            raise
        except BadRequest as error:
            return Failed(reason=FailureReason.ENGINE_ERROR, detail=str(error))
        chat = _Chat.model_validate_json(answer)
        if chat.prompt_text != prompt:
            raise BadRequest(
                f"endpoint: {served.model} at {self._url} was asked {chat.prompt_text!r} in place of {prompt!r}; "
                "serve it with the checkpoint's chat template (vllm serve --chat-template)"
            )
        [position] = chat.choices[0].logprobs.content
        read = {entry.token: entry.logprob for entry in position.top_logprobs}
        return {token: read[f"token_id:{token}"] for token in served.tokens.ids}


@dataclass(frozen=True)
class _Table:
    """A tokenizer that knows the score levels alone."""

    ids: dict[str, list[int]]

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return self.ids[text]


def _chat(served: _Served, prompt: str, views: list[View]) -> str:
    """The request's body: one decoded position, the exact log probabilities of the score tokens."""
    return json.dumps(
        {
            "model": served.model,
            "messages": [{"role": "user", "content": _parts(prompt, views)}],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "logprob_token_ids": served.tokens.ids,
            "return_tokens_as_token_ids": True,
            "return_prompt_text": True,
        }
    )


def _parts(prompt: str, views: list[View]) -> list[dict[str, Any]]:
    texts = prompt.removeprefix(_BEFORE).removesuffix(_AFTER).split(IMAGE)
    parts: list[dict[str, Any]] = [{"type": "text", "text": texts[0]}]
    for text, view in zip(texts[1:], views, strict=True):
        png = base64.b64encode(encode_png(np.asarray(view.image))).decode()
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}})
        parts.append({"type": "text", "text": text})
    return parts
