"""Cache of a judge's answers: exact duplicates need no second prefill.

The key is everything that decides an answer: the judge's digest, the version of the prompts and the digests of the
pixels as the judge sees them. Only answers that made readings are kept, so a failure is always tried anew.
"""

from cachetools import LRUCache

from oars.compass.prompt import PROMPT_VERSION
from reward_server.judgement import Logprobs
from reward_server.pictures import View

Key = tuple[str, str, str, str | None]


class ScoreCache:
    """LRU cache of at most `size` answers, about a kilobyte each."""

    def __init__(self, judge_digest: str, size: int) -> None:
        self._judge = judge_digest
        self._answers: LRUCache[Key, Logprobs] = LRUCache(size)

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, lr: View, sr: View | None) -> Logprobs | None:
        """The answer to the transition prompt, or to the input prompt where `sr` is None."""
        return self._answers.get(self._key(lr, sr))

    def keep(self, lr: View, sr: View | None, answer: Logprobs) -> None:
        if self._answers.maxsize:
            self._answers[self._key(lr, sr)] = answer

    def _key(self, lr: View, sr: View | None) -> Key:
        return self._judge, PROMPT_VERSION, lr.digest, None if sr is None else sr.digest
