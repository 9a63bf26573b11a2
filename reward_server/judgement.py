"""Turns log probabilities at the answer position into a candidate's readings, wherever vLLM computed them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from oars.compass.formula import judged
from oars.compass.outcome import Failed, Judged
from oars.compass.prompt import Prompts
from oars.compass.score_tokens import confidence, read
from reward_server.pictures import View

Logprobs = dict[int, float]
"""Token id -> natural logarithm of its probability over the whole vocabulary."""
Ask = Callable[[Sequence[View]], Awaitable[Logprobs | Failed]]
"""Asks the prompt that shows these pictures."""


@dataclass(frozen=True)
class Answer:
    """What a judge said of a candidate, at the positions from which F and Q_SR are read."""

    fidelity: Logprobs
    quality: Logprobs


async def answer_about(prompts: Prompts, ask: Ask, lr: View, sr: View) -> Answer | Failed:
    """Ask whatever a candidate's readings need, at once."""
    asked = [[lr, sr]] if prompts.version.joint else [[lr, sr], [sr]]
    work = [asyncio.ensure_future(ask(views)) for views in asked]
    try:
        answers = await asyncio.gather(*work)
    finally:  # an error of one leaves nobody who waits for the other
        for task in work:
            task.cancel()
    told = [answer for answer in answers if not isinstance(answer, Failed)]
    failed = [answer for answer in answers if isinstance(answer, Failed)]
    return failed[0] if failed else Answer(told[0], told[-1])


def judgement(
    prompts: Prompts, source: Logprobs | Failed, answer: Answer | Failed, min_confidence: float
) -> Judged | Failed:
    """The readings of a candidate, from the answer about its LR and the answers about itself."""
    if isinstance(answer, Failed):
        return answer
    if isinstance(source, Failed):
        return source
    tokens, joint = prompts.tokens, prompts.version.joint
    fidelity = read(tokens.fidelity, answer.fidelity)
    q_lr, q_sr = read(tokens.quality, source), read(tokens.quality, answer.quality)
    return judged(fidelity.value, q_lr.value, q_sr.value, confidence(q_lr, fidelity, q_sr, joint), min_confidence)
