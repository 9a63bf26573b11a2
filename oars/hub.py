"""Models of a hub in a profile: `hf://ORGANISATION/NAME@COMMIT` is the directory that `oars models pull` filled.

A run looks there and nowhere else: nothing is fetched behind the user's back. The commit is part of the name, because a
branch or a tag may mean other weights tomorrow.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from oars.home import kept_in
from oars.model_files import MissingModel

PREFIX = "hf://"
_ID = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubModel:
    repo: str
    revision: str | None
    """A commit, or what a user wrote in its place; None if nothing."""

    @property
    def pinned(self) -> bool:
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None

    def at(self, commit: str) -> "HubModel":
        return HubModel(self.repo, commit)

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}" + (f"@{self.revision}" if self.revision else "")

    @property
    def directory(self) -> Path:
        """Where it is kept, whole or not there."""
        return kept_in("models") / f"{self.repo.replace('/', '--')}@{self.revision}"

    @property
    def record(self) -> Path:
        """Beside the directory: licence and digests of its files."""
        return self.directory.with_name(f"{self.directory.name}.json")


def hub_model(path: str) -> HubModel:
    """Raises MissingModel for what is no model of a hub."""
    if (found := _ID.fullmatch(path)) is None:
        raise MissingModel(f"{path}: expected hf://ORGANISATION/NAME@COMMIT")
    return HubModel(found["repo"], found["revision"])


def pulled(path: str) -> Path:
    """The directory of a model that was pulled. Raises MissingModel with the command that pulls it."""
    model = hub_model(path)
    if not model.pinned:
        raise MissingModel(f"{path}: no commit; `oars models pull PROFILE` prints the newest: write it after an @")
    if not model.record.is_file():
        raise MissingModel(f"{path} is not here: `oars models pull PROFILE` fetches it, a run never does")
    return model.directory
