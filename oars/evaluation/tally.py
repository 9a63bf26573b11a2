"""What people said in a study: preference shares, Bradley-Terry scores, their agreement, and who follows them.

The unit of resampling is a scene, so the intervals speak of other scenes, not of other people. A rater who gets too
many attention checks wrong counts nowhere.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import median

import numpy as np
from numpy.typing import NDArray

from oars.compass.annotation.ranking import aggregate
from oars.evaluation.intervals import Interval, share
from oars.evaluation.study import BadStudy
from oars.evaluation.study_records import (
    Agreement,
    Choice,
    Follower,
    ModelScore,
    PairShare,
    Rater,
    Study,
    Tally,
    Trial,
    Vote,
)

MIN_CHECKS_RIGHT = 0.75
"""Share of checks below which a rater is left out: three of four, so one slip is forgiven."""
_PRIOR = 0.1
"""Precision of the Bradley-Terry scores' prior: keeps a model that never lost finite, and moves others by little."""
_RESAMPLES = 1000
_WORTH: dict[Choice, float] = {"a": 1.0, "tie": 0.5, "b": 0.0}
"""What a vote is worth for `a`."""

Answer = tuple[Trial, Choice]


def tally(study: Study, votes: Iterable[Vote], seed: int = 0) -> Tally:
    """Raises BadStudy for a vote on a trial that the study lacks, or if no vote is left."""
    trials = {trial.id: trial for trial in study.trials}
    latest = {(vote.rater, vote.trial): vote for vote in votes}
    if unknown := {trial for _, trial in latest} - set(trials):
        raise BadStudy(f"a vote on trial {min(unknown)!r}, which this study lacks: is it of another one?")
    raters = _raters(trials, list(latest.values()))
    kept = {rater.rater for rater in raters if rater.kept}
    answers = [
        (trials[vote.trial], vote.choice)
        for vote in latest.values()
        if vote.rater in kept and trials[vote.trial].right is None
    ]
    if not answers:
        raise BadStudy(f"no votes to count: {len(latest)} votes of {len(raters)} raters, {len(kept)} raters attentive")
    return Tally(
        raters=tuple(raters),
        votes=len(answers),
        pairs=tuple(_pairs(study.models, answers, seed)),
        models=tuple(_models(study.models, answers, seed)),
        agreement=_agreement(answers),
        followers=tuple(_followers(study, answers, seed)),
    )


def _raters(trials: dict[str, Trial], votes: Sequence[Vote]) -> list[Rater]:
    by_rater: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_rater[vote.rater].append(vote)
    return [_rater(name, trials, own) for name, own in sorted(by_rater.items())]


def _rater(name: str, trials: dict[str, Trial], votes: Sequence[Vote]) -> Rater:
    checks = [(trials[vote.trial].right, vote.choice) for vote in votes if trials[vote.trial].right is not None]
    right = sum(expected == said for expected, said in checks)
    return Rater(
        rater=name,
        votes=len(votes) - len(checks),
        checks=len(checks),
        right=right,
        kept=not checks or right / len(checks) >= MIN_CHECKS_RIGHT,
        median_seconds=median(vote.milliseconds for vote in votes) / 1000,
    )


def _pairs(models: Sequence[str], answers: Sequence[Answer], seed: int) -> list[PairShare]:
    rows = []
    for model, over in combinations(models, 2):
        own = [answer for answer in answers if {answer[0].a, answer[0].b} == {model, over}]
        if own:
            ties = sum(choice == "tie" for _, choice in own)
            rows.append(PairShare(model=model, over=over, share=_share(own, model, seed), ties=ties))
    return rows


def _share(answers: Sequence[Answer], model: str, seed: int) -> Interval:
    """Of the votes on trials that show the model; resampled by scene."""
    won: dict[str, float] = defaultdict(float)
    total: Counter[str] = Counter()
    for trial, choice in answers:
        won[trial.scene] += _WORTH[choice] if trial.a == model else 1 - _WORTH[choice]
        total[trial.scene] += 1
    return share([won[scene] for scene in total], list(total.values()), seed)


def _models(models: Sequence[str], answers: Sequence[Answer], seed: int) -> list[ModelScore]:
    shown = [model for model in models if any(model in (trial.a, trial.b) for trial, _ in answers)]
    scores = _bradley_terry(shown, answers, seed)
    rows = [
        ModelScore(
            model=model,
            share=_share([answer for answer in answers if model in (answer[0].a, answer[0].b)], model, seed),
            bradley_terry=scores[model],
        )
        for model in shown
    ]
    return sorted(rows, key=lambda row: -row.bradley_terry.mean)


def _bradley_terry(models: Sequence[str], answers: Sequence[Answer], seed: int) -> dict[str, Interval]:
    scenes = list(dict.fromkeys(trial.scene for trial, _ in answers))
    wins = np.zeros((len(scenes), len(models), len(models)))
    for trial, choice in answers:
        scene, a, b = scenes.index(trial.scene), models.index(trial.a), models.index(trial.b)
        wins[scene, a, b] += _WORTH[choice]
        wins[scene, b, a] += 1 - _WORTH[choice]
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(scenes), size=(_RESAMPLES, len(scenes)))
    means, draws = _scores(wins.sum(0)), np.array([_scores(wins[rows].sum(0)) for rows in drawn])
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return {
        model: Interval(mean=float(means[i]), low=float(low[i]), high=float(high[i]), count=len(answers))
        for i, model in enumerate(models)
    }


def _scores(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Votes and prior in shares of all votes: the same scores, and gradients of a size that Newton's method ends at."""
    votes = max(1.0, wins.sum())
    return aggregate(wins / votes, "bradley_terry", _PRIOR / votes)


def _agreement(answers: Sequence[Answer]) -> Agreement:
    """Krippendorff 2011, nominal data: 1 - observed over expected disagreement among values that can be paired."""
    by_trial: dict[str, list[Choice]] = defaultdict(list)
    for trial, choice in answers:
        by_trial[trial.id].append(choice)
    shared = [choices for choices in by_trial.values() if len(choices) > 1]
    if not shared:
        return Agreement(trials=0, raw=None, alpha=None)
    same = [Counter(choices) for choices in shared]
    pairs = sum(len(choices) * (len(choices) - 1) for choices in shared)
    raw = sum(n * (n - 1) for counts in same for n in counts.values()) / pairs
    units = sum(map(len, shared))
    observed = sum(
        (len(choices) ** 2 - sum(n * n for n in counts.values())) / (len(choices) - 1)
        for choices, counts in zip(shared, same, strict=True)
    )
    totals = sum(same, Counter())
    expected = (units**2 - sum(n * n for n in totals.values())) / (units - 1)
    return Agreement(trials=len(shared), raw=raw, alpha=1 - observed / expected if expected else None)


def _followers(study: Study, answers: Sequence[Answer], seed: int) -> list[Follower]:
    names = dict.fromkeys(name for models in study.values.values() for values in models.values() for name in values)
    rows = [_follower(study, name, _majorities(answers), seed) for name in names]
    return sorted((row for row in rows if row is not None), key=lambda row: -row.share.mean)


def _majorities(answers: Sequence[Answer]) -> list[tuple[Trial, float]]:
    """Trials that most raters decided: above 0 for `a`."""
    leaning: dict[str, float] = defaultdict(float)
    trials = {trial.id: trial for trial, _ in answers}
    for trial, choice in answers:
        leaning[trial.id] += _WORTH[choice] - 0.5
    return [(trials[name], sum_) for name, sum_ in leaning.items() if sum_]


def _follower(study: Study, name: str, majorities: Sequence[tuple[Trial, float]], seed: int) -> Follower | None:
    """Over the trials of which both outputs have the metric; None if there is none."""
    sign = -1 if name in study.lower_is_better else 1
    right: dict[str, float] = defaultdict(float)
    total: Counter[str] = Counter()
    for trial, leaning in majorities:
        values = study.values.get(trial.scene, {})
        a, b = (values.get(model, {}).get(name) for model in (trial.a, trial.b))
        if a is not None and b is not None:
            right[trial.scene] += np.sign(sign * (a - b)) == np.sign(leaning)
            total[trial.scene] += 1
    if not total:
        return None
    return Follower(name=name, share=share([right[scene] for scene in total], list(total.values()), seed))
