"""A judge as a directory that vLLM serves: its files byte for byte, so that its digest stays, and a model card."""

import json
import shutil
from pathlib import Path

from oars.files import write_directory
from oars.report.model_card import judge_card
from reward_server.checkpoint import judge_digest, judge_directory
from services.results.export import CARD, stated_licence

_TRAINING = "oars_judge.json"


def export_judge(path: str, out: Path, licence: str | None) -> str:
    """Write `out`, whole or not at all; returns the judge's digest. `path`: a directory, or `miniature`.

    Raises BadJudge.
    """
    judge = judge_directory(path)
    digest, facts = judge_digest(judge), judge / _TRAINING
    training = json.loads(facts.read_text()) if facts.is_file() else {}
    card = judge_card(judge.name, digest, licence or stated_licence(judge, path), training)

    def write(directory: Path) -> None:
        shutil.copytree(judge, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
        (directory / CARD).write_text(card, encoding="utf-8")

    write_directory(out, write)
    return digest
