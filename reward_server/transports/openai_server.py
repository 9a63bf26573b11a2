"""The judge behind any OpenAI-compatible vLLM server (`vllm serve CHECKPOINT`), scored as our own engine scores it.

A question of oars/compass/prompt.py becomes one chat message whose parts are its texts and pictures in their order, for
the server's chat template to render. The server is asked to return what it rendered: a template that leaves a text out
or changes their order is refused, because a judge that is asked in other words gives other scores. Log probabilities
are asked for by the ids of the score tokens, so they are exact, over the whole vocabulary. The prompt version is that
of the checkpoint that `judge.path` names.
"""

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from oars.compass.calibrated import Scale
from oars.compass.formula import READINGS
from oars.compass.judge_card import prompt_version_of
from oars.compass.outcome import Failed, FailureReason, Judged
from oars.compass.prompt import NEWEST, Prompts, PromptVersion, message_parts, score_tokens, shows
from oars.config import JudgeConfig
from oars.imaging.image_io import Pixels, encode_png
from oars.miniature import resolve_model
from oars.model_files import MissingModel
from reward_server.checkpoint import judge_scale
from reward_server.errors import BadRequest, Unauthenticated
from reward_server.judgement import Logprobs, answer_about, judgement
from reward_server.pictures import View, prepare
from reward_server.schema import Description, Provenance, ScoreHeader, ScoreResponse, check_count
from reward_server.transports.base import pixels
from reward_server.transports.http_gateway import JsonHttp

_ASK_S = 10.0
"""Deadline of the two questions about model and tokens."""


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
    """The first model of the server, its prompts, not rendered, with the score tokens of its tokenizer, and the scale
    of its readings."""

    model: str
    prompts: Prompts
    scale: Scale


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
            prompt_version=served.prompts.version.name,
            basis=served.scale.basis,
            calibration_digest=served.scale.digest,
            replica=f"{served.model} at {self._url}",
            attempt=header.attempt,
            seconds=asyncio.get_running_loop().time() - started,
        )
        return ScoreResponse(request_id=header.request_id, outcomes=outcomes, provenance=provenance)

    async def describe(self) -> Description:
        served = await self._connected()
        return Description.of(self._config, None, served.prompts.version.name, READINGS, served.scale.basis)

    async def close(self) -> None:
        await self._http.close()

    async def _judge(
        self, served: _Served, lr: Pixels, candidates: list[Pixels], deadline_s: float
    ) -> list[Judged | Failed]:
        group = await asyncio.to_thread(prepare, lr, candidates, self._config)
        if isinstance(group, Failed):
            return [group] * len(candidates)
        lr_view, ask = group.lr, partial(self._ask, served, deadline_s)
        judged = [sr for sr in group.candidates if not isinstance(sr, Failed)]
        about_lr = asyncio.ensure_future(ask([lr_view]))
        about_others = asyncio.gather(*(answer_about(served.prompts, ask, lr_view, sr) for sr in judged))
        try:
            source, answers = await asyncio.gather(about_lr, about_others)
        finally:  # one that fails fails the group: nobody waits for the others
            about_lr.cancel()
            about_others.cancel()
        answered = iter(answers)
        transitions = [sr if isinstance(sr, Failed) else next(answered) for sr in group.candidates]
        outcomes = [judgement(served.prompts, source, answer, self._config.min_confidence) for answer in transitions]
        return [served.scale.apply(outcome) for outcome in outcomes]

    async def _connected(self) -> _Served:
        if self._served is None:
            models = _Models.model_validate_json(await self._http.get(f"{self._version}/models", _ASK_S))
            model, (version, scale) = models.data[0].id, self._checkpoint()
            levels = [*version.quality_levels, *version.fidelity_levels]
            found = await asyncio.gather(*(self._tokenize(model, level) for level in levels))
            tokens = score_tokens(_Table(dict(zip(levels, found, strict=True))), version)
            self._served = _Served(model, Prompts(version, version.quality, version.transition, tokens), scale)
        return self._served

    def _checkpoint(self) -> tuple[PromptVersion, Scale]:
        """Of the checkpoint in the config; what is not on this machine is asked as a stock checkpoint is. Raises
        BadCard, BadJudge, BadCalibration."""
        try:
            directory = resolve_model(self._config.path, "judge")
        except MissingModel:
            return NEWEST, Scale.of(False, None, self._config.calibration)
        return prompt_version_of(directory), judge_scale(self._config, directory, None)

    async def _tokenize(self, model: str, text: str) -> list[int]:
        body = json.dumps({"model": model, "prompt": text, "add_special_tokens": False})
        return _Tokenized.model_validate_json(await self._http.post("/tokenize", body, _ASK_S)).tokens

    async def _ask(self, served: _Served, deadline_s: float, views: Sequence[View]) -> Logprobs | Failed:
        """A refusal by the server is this prompt's failure alone. Cancelling the caller closes the connection, upon
        which vLLM aborts the request."""
        question = served.prompts.about(len(views))
        body = await asyncio.to_thread(_chat, served, question, views)
        try:
            answer = await self._http.post(f"{self._version}/chat/completions", body, deadline_s)
        except Unauthenticated:
            raise
        except BadRequest as error:
            return Failed(reason=FailureReason.ENGINE_ERROR, detail=str(error))
        chat = _Chat.model_validate_json(answer)
        if not shows(chat.prompt_text or "", question):
            raise BadRequest(
                f"endpoint: {served.model} at {self._url} was asked {chat.prompt_text!r} in place of {question!r}; "
                "serve it with the checkpoint's chat template (vllm serve --chat-template)"
            )
        [position] = chat.choices[0].logprobs.content
        read = {entry.token: entry.logprob for entry in position.top_logprobs}
        return {token: read[f"token_id:{token}"] for token in served.prompts.tokens.ids}


@dataclass(frozen=True)
class _Table:
    """A tokenizer that knows the score levels alone."""

    ids: dict[str, list[int]]

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return self.ids[text]


def _chat(served: _Served, question: str, views: Sequence[View]) -> str:
    """The request's body: one decoded position, the exact log probabilities of the score tokens."""
    return json.dumps(
        {
            "model": served.model,
            "messages": [{"role": "user", "content": _parts(question, views)}],
            "max_tokens": 1,
            "temperature": 0,
            "chat_template_kwargs": {"enable_thinking": False},
            "logprobs": True,
            "logprob_token_ids": served.prompts.tokens.ids,
            "return_tokens_as_token_ids": True,
            "return_prompt_text": True,
        }
    )


def _parts(question: str, views: Sequence[View]) -> list[dict[str, Any]]:
    shown = iter(views)
    return [part if part["type"] == "text" else _picture(next(shown)) for part in message_parts(question)]


def _picture(view: View) -> dict[str, Any]:
    png = base64.b64encode(encode_png(np.asarray(view.image))).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}}
