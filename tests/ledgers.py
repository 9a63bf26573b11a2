"""What every test that ran an alignment asks of its ledger."""

import sqlite3
from pathlib import Path

from services.run.ledger_rules import violations


def accounted_for(run: Path, final: bool = True) -> None:
    """Every admitted group left exactly once; without `final` some may still be in flight."""
    ledger = sqlite3.connect(run / "ledger.sqlite")
    broken = violations(ledger, final)
    ledger.close()
    assert broken == []
