"""The judge's directory: found, complete, and identified by a digest, before an engine spends minutes on it."""

import hashlib
from pathlib import Path

from oars.compass.calibrated import BadCalibration, Scale
from oars.compass.judge_card import BadCard, JudgeCard, prompt_version_of
from oars.compass.self_test import FILE as SELF_TEST
from oars.config import JudgeConfig
from oars.files import sha256
from oars.miniature import resolve_model
from oars.model_files import MissingModel
from reward_server.class_judge import class_digest
from reward_server.errors import BadJudge


def judge_identity(judge: JudgeConfig) -> str:
    """The digest of what decides a judge's readings: its checkpoint, or its class. Raises BadJudge."""
    return judge_digest(judge_directory(judge.path)) if judge.class_path is None else class_digest(judge)


def find_judge(judge: JudgeConfig) -> str:
    """Its directory, there and whole, or its class; no weights are read. Raises BadJudge."""
    if judge.class_path is None:
        directory = judge_directory(judge.path)
        judge_scale(judge, directory, None)
        return str(directory)
    class_digest(judge)
    return judge.class_path


def describe_judge(judge: JudgeConfig) -> str:
    """The same in words, with the prompts of a checkpoint and what its scale stands on. Raises BadJudge."""
    found = find_judge(judge)
    if judge.class_path is not None:
        return found
    scale, prompts = judge_scale(judge, Path(found), None), prompt_version_of(Path(found))
    return f"{found}: {scale.basis}, prompts {prompts.name}"


def judge_directory(path: str) -> Path:
    """The directory of `path`, or of the embedded judge for `miniature`: there, whole, and of prompts that are known.

    Raises BadJudge.
    """
    try:
        directory = resolve_model(path, "judge")
        prompt_version_of(directory)
        return directory
    except (MissingModel, BadCard) as error:
        raise BadJudge(str(error)) from error


def judge_scale(config: JudgeConfig, directory: Path, digest: str | None) -> Scale:
    """What the readings of the checkpoint in this directory stand on, and the calibration. Raises BadJudge."""
    try:
        return Scale.of(JudgeCard.of(directory) is not None, digest, config.calibration)
    except (BadCard, BadCalibration) as error:
        raise BadJudge(str(error)) from error


def judge_digest(directory: Path) -> str:
    """SHA-256 over the names and contents of the directory's JSON and safetensors files: what decides a score.

    The self-test is no part of it: it is checked against the scores, and makes none.
    """
    total = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        if path.suffix in {".json", ".safetensors"} and path.name != SELF_TEST and path.is_file():
            total.update(path.name.encode() + b"\0" + bytes.fromhex(sha256(path)))
    return total.hexdigest()
