"""Explanations in words, beside the labels: a larger multimodal model behind an OpenAI-compatible endpoint.

Optional, and no label depends on it. One request a kept transition: the input, the output, and what they were labelled.
"""

import asyncio
import base64
import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oars.compass.annotation.vlm import explanation_question
from oars.compass.data.dataset import Group
from oars.compass.data.tables import Row
from oars.compass.views import lr_view
from oars.config.annotation import ExplanationsConfig
from oars.errors import UserError
from oars.imaging.image_io import encode_png
from oars.retry import backoff
from reward_server.errors import BadRequest, Unavailable
from reward_server.transports.http_gateway import JsonHttp

Pixels = NDArray[np.uint8]

_ATTEMPTS = 3
_FIRST_WAIT_S, _MAX_WAIT_S = 1.0, 10.0


class NoExplainer(UserError, RuntimeError):
    """The endpoint does not answer as one should; the message is one line naming it."""


def explain_groups(config: ExplanationsConfig, groups: Sequence[Group]) -> list[Row]:
    """Rows of the explanations table, for all outputs of all kept groups. Raises NoExplainer."""
    return asyncio.run(_explain(config, [group for group in groups if group.kept]))


async def _explain(config: ExplanationsConfig, groups: Sequence[Group]) -> list[Row]:
    turn, http = asyncio.Semaphore(config.concurrency), JsonHttp(config.url, None, None)

    async def one(group: Group, k: int) -> Row:
        async with turn:
            text = await _ask(http, config, request_body(config, group, k))
        return {"input_id": group.input_id, "enhancer": group.enhancers[k], "text": text}

    try:
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(one(group, k)) for group in groups for k in range(len(group.enhancers))]
    finally:
        await http.close()
    return [task.result() for task in waiting]


def request_body(config: ExplanationsConfig, group: Group, k: int) -> dict[str, Any]:
    """Body of a chat completion about output `k`."""
    fidelity = None if np.isnan(group.fidelity[k]) else float(group.fidelity[k])
    question = explanation_question(group.q_lr, float(group.q[k]), fidelity)
    images = [lr_view(group.lr, *group.sr.shape[1:3]), group.sr[k]]
    content = [{"type": "image_url", "image_url": {"url": _uri(image)}} for image in images]
    return {
        "model": config.model,
        "messages": [{"role": "user", "content": [*content, {"type": "text", "text": question}]}],
        "max_tokens": config.max_tokens,
        "temperature": 0,
    }


async def _ask(http: JsonHttp, config: ExplanationsConfig, body: dict[str, Any]) -> str:
    """The answer's text, after a few attempts where the endpoint is busy or away. Raises NoExplainer."""
    failures = 0
    while True:
        try:
            answer = json.loads(await http.post("/chat/completions", json.dumps(body), config.timeout_s))
            return str(answer["choices"][0]["message"]["content"]).strip()
        except (Unavailable, TimeoutError) as error:
            failures += 1
            if failures == _ATTEMPTS:
                raise NoExplainer(f"explanations.url {config.url}: {error}") from error
            await asyncio.sleep(backoff(failures, _FIRST_WAIT_S, _MAX_WAIT_S, random.random()))
        except (BadRequest, LookupError, ValueError) as error:
            raise NoExplainer(f"explanations.url {config.url}: {error}") from error


def _uri(image: Pixels) -> str:
    return f"data:image/png;base64,{base64.b64encode(encode_png(image)).decode()}"
