"""Where OARS keeps what belongs to no single run: $OARS_HOME, or the user's cache folder."""

import os
from pathlib import Path


def kept_in(name: str) -> Path:
    """`$OARS_HOME/NAME`, else `$XDG_CACHE_HOME/oars/NAME`, else `~/.cache/oars/NAME`; it need not exist."""
    if home := os.environ.get("OARS_HOME"):
        return Path(home).expanduser() / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "oars" / name
