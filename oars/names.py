"""Names of files as text: what is no UTF-8, and what would break a line, is escaped. Everything else stays as it is."""

import os
import unicodedata
from pathlib import Path

# Control characters and the separators of lines and paragraphs.
_BREAKING = ("Cc", "Zl", "Zp")


def printable(name: Path | str) -> str:
    """For messages, tables, JSON and the ledger; a plain name comes back unchanged.

    A byte that is no UTF-8 becomes `\\\\x83`, a control character `\\\\n`.
    """
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in _BREAKING else c for c in text)
