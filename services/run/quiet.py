"""Keeps the loading bars of the model libraries off the terminal: a command shows its own progress."""

import os


def quiet_libraries() -> None:
    """Call it before they are imported; child processes inherit it. An empty TQDM_DISABLE keeps the bars."""
    os.environ.setdefault("TQDM_DISABLE", "1")
