"""The models of an evaluation by what a user wrote: a run's weights, and all of `oars/evaluation/contestants.py`."""

from dataclasses import replace
from pathlib import Path

from oars.config import BadConfig, load_profile
from oars.evaluation.contestants import Contestant, Sampling, contestant, generated
from services.run.run_directory import CONFIG, find_run
from services.run.weights import run_weights


def contestant_of(name: str, text: str, sampling: Sampling, runs: Path) -> Contestant:
    """A run's weights are sampled as the run's own config says. Raises BadRun, BadConfig, BadContestant,
    MissingModel."""
    kind, _, run = text.partition(":")
    if kind not in ("run", "sft") or not run:
        return contestant(name, text, sampling)
    directory = find_run(runs, run)
    weights = run_weights(directory, "aligned" if kind == "run" else "sft")
    own = load_profile(directory / CONFIG)
    if own.data.scale != sampling.scale:
        raise BadConfig(f"--model {text}: enlarges x{own.data.scale}, and the profile x{sampling.scale}")
    return generated(name, replace(sampling, generator=own.generator, sampler=own.sampler), weights)
