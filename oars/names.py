"""Names of files as text: what is no UTF-8, and what would break a line, is escaped. Everything else stays as it is."""

import os
import unicodedata
from pathlib import Path

# Control characters, the separators of lines and paragraphs, and surrogates.
_BREAKING = ("Cc", "Zl", "Zp", "Cs")
_RAW_BYTE = 0xDC00


def printable(name: Path | str) -> str:
    """For messages, tables, JSON and the ledger; a plain name comes back unchanged.

    A byte that is no UTF-8 becomes `\\\\x83`, a control character `\\\\n`.
    """
    return "".join(_escaped(c) if unicodedata.category(c) in _BREAKING else c for c in os.fspath(name))


def _escaped(c: str) -> str:
    """A byte that is no UTF-8 comes as a surrogate of its own (PEP 383)."""
    code = ord(c)
    return f"\\x{code - _RAW_BYTE:02x}" if 0x80 <= code - _RAW_BYTE <= 0xFF else c.encode("unicode_escape").decode()
