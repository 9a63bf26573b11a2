"""Cache of a judge's answers: exact duplicates need no second prefill.

The key is everything that decides an answer: the judge's digest, the version of the prompts and the digests of the
pixels as the judge sees them. Only answers that made readings are kept, so a failure is always tried anew.
"""

from collections.abc import Sequence

from cachetools import LRUCache

from reward_server.judgement import Logprobs
from reward_server.pictures import View

Key = tuple[str, ...]


class ScoreCache:
    """LRU cache of at most `size` answers, about a kilobyte each."""

    def __init__(self, judge_digest: str, prompt_version: str, size: int) -> None:
        self._judge = judge_digest, prompt_version
        self._answers: LRUCache[Key, Logprobs] = LRUCache(size)

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, views: Sequence[View]) -> Logprobs | None:
        """The answer to the prompt that shows these pictures: the number of them tells which."""
        return self._answers.get(self._key(views))

    def keep(self, views: Sequence[View], answer: Logprobs) -> None:
        if self._answers.maxsize:
            self._answers[self._key(views)] = answer

    def _key(self, views: Sequence[View]) -> Key:
        return (*self._judge, *(view.digest for view in views))
