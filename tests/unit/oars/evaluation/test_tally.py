"""Votes to figures: shares, Bradley-Terry, agreement of raters, who follows people, and whose votes count nowhere."""

import numpy as np
import pytest

from oars.evaluation.study import BadStudy
from oars.evaluation.study_records import Choice, Study, Trial, Vote
from oars.evaluation.tally import tally
from oars.report.tally_tables import tally_text

SCENES = [f"scene {number}" for number in range(12)]
MODELS = ("x", "y", "z")


def study(models: tuple[str, ...] = MODELS, checks: int = 4) -> Study:
    pairs = [(a, b) for i, a in enumerate(models) for b in models[i + 1 :]]
    trials = [Trial(id=f"{s} {a}{b}", scene=s, a=a, b=b) for s in SCENES for a, b in pairs]
    trials += [Trial(id=f"check {i}", scene=SCENES[0], a="x", b="x", right="a") for i in range(checks)]
    # `good` orders x over y over z as the raters below do; `bad` is a distance that says the opposite.
    level = {"x": 3.0, "y": 2.0, "z": 1.0}
    values = {s: {m: {"good": level[m], "bad": level[m], "flat": 0.0} for m in models} for s in SCENES}
    return Study(seed=0, models=models, trials=tuple(trials), values=values, lower_is_better=("bad",))


def votes(rater: str, made: Study, choose: dict[str, Choice] | None = None, default: Choice = "a") -> list[Vote]:
    chosen = choose or {}
    return [
        Vote(rater=rater, trial=trial.id, choice=chosen.get(trial.id, default), milliseconds=1500)
        for trial in made.trials
    ]


def test_everybody_prefers_one_order() -> None:
    made = study()
    result = tally(made, [*votes("ann", made), *votes("ben", made)])
    assert result.votes == 2 * 36
    assert [row.model for row in result.models] == ["x", "y", "z"]
    assert [(row.model, row.over, row.share.mean) for row in result.pairs] == [
        ("x", "y", 1.0),
        ("x", "z", 1.0),
        ("y", "z", 1.0),
    ]
    assert sum(row.bradley_terry.mean for row in result.models) == pytest.approx(0, abs=1e-6)
    assert (result.agreement.trials, result.agreement.raw) == (36, 1.0)
    follower = {row.name: row.share.mean for row in result.followers}
    assert follower == {"good": 1.0, "bad": 0.0, "flat": 0.0}


def test_a_tie_is_half_a_vote_for_each() -> None:
    made = study(("x", "y"))
    result = tally(made, votes("ann", made, {f"check {i}": "a" for i in range(4)}, default="tie"))
    [pair] = result.pairs
    assert (pair.share.mean, pair.ties) == (0.5, 12)
    assert result.models[0].bradley_terry.mean == pytest.approx(0, abs=1e-9)
    assert result.followers == ()


def test_bradley_terry_finds_the_odds_of_two_models() -> None:
    made = study(("x", "y"), checks=0)
    lost: dict[str, Choice] = {f"{s} xy": "b" for s in SCENES[:3]}
    result = tally(made, [vote for i in range(20) for vote in votes(f"rater {i}", made, lost)])
    better, worse = result.models
    assert better.model == "x" and better.share.mean == 0.75
    assert better.bradley_terry.mean - worse.bradley_terry.mean == pytest.approx(np.log(3), abs=0.02)
    assert better.bradley_terry.low < better.bradley_terry.mean < better.bradley_terry.high


def test_a_rater_who_fails_the_checks_counts_nowhere() -> None:
    made = study()
    careless = votes("cat", made, {f"check {i}": "b" for i in range(2)}, default="b")
    slip = votes("dan", made, {"check 0": "b"})
    result = tally(made, [*careless, *slip])
    assert {rater.rater: (rater.right, rater.kept) for rater in result.raters} == {"cat": (0, False), "dan": (3, True)}
    assert result.pairs[0].share.mean == 1.0
    assert "left out for wrong attention checks: cat" in tally_text(result)


def test_chance_is_no_agreement_and_opposites_are_less() -> None:
    made = study(("x", "y"), checks=0)
    rng = np.random.default_rng(0)
    picks: list[Choice] = ["a", "b"]
    noise = [
        vote
        for i in range(30)
        for vote in votes(f"rater {i}", made, {f"{s} xy": picks[rng.integers(2)] for s in SCENES})
    ]
    by_chance = tally(made, noise).agreement
    assert by_chance.alpha == pytest.approx(0, abs=0.05) and by_chance.raw == pytest.approx(0.5, abs=0.05)
    opposed = tally(made, [*votes("ann", made), *votes("ben", made, default="b")]).agreement
    assert opposed.raw == 0 and opposed.alpha is not None and opposed.alpha < -0.9


def test_krippendorffs_own_example() -> None:
    """Two observers, ten binary units (Krippendorff 2011, section B): alpha 0.095."""
    first, second = "0100000000", "1110010010"
    made = study(("x", "y"), checks=0)
    codes: dict[str, Choice] = {"0": "a", "1": "b"}
    told = [
        Vote(rater=name, trial=f"{s} xy", choice=codes[code], milliseconds=0)
        for name, row in (("ann", first), ("ben", second))
        for s, code in zip(SCENES, row, strict=False)
    ]
    assert tally(made, told).agreement.alpha == pytest.approx(0.095, abs=5e-4)


def test_a_later_vote_replaces_an_earlier_one() -> None:
    made = study(("x", "y"), checks=0)
    result = tally(made, [*votes("ann", made, default="b"), *votes("ann", made)])
    assert (result.votes, result.pairs[0].share.mean) == (12, 1.0)


def test_votes_that_cannot_be_counted_are_named() -> None:
    made = study()
    with pytest.raises(BadStudy, match="'other', which this study lacks"):
        tally(made, [Vote(rater="ann", trial="other", choice="a", milliseconds=0)])
    with pytest.raises(BadStudy, match="no votes to count"):
        tally(made, [])
