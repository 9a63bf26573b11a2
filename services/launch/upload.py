"""Checks before the upload which parts of a checkout travel with a job, and whether Ray takes them, by folder."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from oars.errors import UserError
from reward_server.compat.ray import UPLOAD_LIMIT, excluded_from_upload, travel

_MIB = 2**20
_NAMED = 3  # the largest entries are what one has to look at


class TooLarge(UserError, ValueError):
    """More would travel than Ray takes; the message is one line naming the largest folders."""


def is_checkout(root: Path) -> bool:
    """The code lies in a checkout, whose state may be known to no other node, and not in an installed package."""
    return (root / "pyproject.toml").is_file()


def check_upload(root: Path, excludes: Sequence[str], limit: int = UPLOAD_LIMIT) -> None:
    """Count as Ray does: without `excludes`, and what .gitignore and .rayignore name. Raises TooLarge."""
    sizes: Counter[str] = Counter()

    def count(path: Path) -> None:
        if path.is_file():
            first, *below = path.relative_to(root).parts
            sizes[f"{first}/" if below else first] += path.stat().st_size

    travel(root, [excluded_from_upload(root, list(excludes))], count, include_gitignore=True)
    if sizes.total() >= limit:
        largest = ", ".join(f"{name} {size / _MIB:.0f} MiB" for name, size in sizes.most_common(_NAMED))
        raise TooLarge(
            f"{root}: {sizes.total() / _MIB:.0f} MiB would travel with the job, and Ray takes {limit / _MIB:.0f}: "
            f"{largest}; move them elsewhere, or name them in .rayignore"
        )
