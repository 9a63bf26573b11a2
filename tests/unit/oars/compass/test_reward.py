"""The reward function: found by its path, fitted to a judge's readings, and known by the digest of its source."""

import importlib
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.examples.faithful_gain import faithful_gain
from oars.compass.formula import READINGS, compass_reward
from oars.compass.outcome import Failed, FailureReason, Judged, Scored
from oars.compass.reward import BadReward, Reward
from oars.config import RewardClientConfig

DEFAULT = RewardClientConfig().function
OWN = "docs.examples.faithful_gain.faithful_gain"
fidelity, quality = st.floats(0, 1), st.floats(1, 5)


def judged(f: float = 0.5, q_lr: float = 2.0, q_sr: float = 3.0) -> Judged:
    return Judged(readings={"fidelity": f, "q_lr": q_lr, "q_sr": q_sr, "confidence": 0.9})


@given(fidelity, quality, quality, st.floats(1, 20))
def test_the_default_is_the_formula_of_compass(f: float, q_lr: float, q_sr: float, gamma: float) -> None:
    scored = Reward.load(DEFAULT, {"gamma": gamma}).score(judged(f, q_lr, q_sr))
    assert isinstance(scored, Scored) and scored.reward == compass_reward(f, q_lr, q_sr, gamma)


@given(fidelity, fidelity, quality, quality)
def test_what_was_measured_replaces_the_reading(f: float, measured: float, q_lr: float, q_sr: float) -> None:
    reward = Reward.load(DEFAULT, {})
    scored = reward.score(judged(f, q_lr, q_sr), {"fidelity": measured})
    assert scored == reward.score(judged(measured, q_lr, q_sr))


def test_a_function_of_ones_own_takes_the_readings_that_it_names() -> None:
    reward = Reward.load(OWN, {"least": 0.4})
    reward.check(READINGS)
    scored = reward.score(judged())
    assert isinstance(scored, Scored)
    assert scored.reward == faithful_gain(0.5, 2.0, 3.0, least=0.4) == 1.0
    assert scored.readings == judged().readings


@pytest.mark.parametrize(
    ("path", "parameters", "line"),
    [
        (
            "docs.examples.nothing.reward",
            {},
            r"^reward\.function: 'docs\.examples\.nothing\.reward' cannot be imported",
        ),
        ("docs.examples.faithful_gain.nothing", {}, r"^reward\.function: .* cannot be imported"),
        ("nothing", {}, r"^reward\.function: 'nothing' cannot be imported"),
        ("math.exp", {}, r"^reward\.function: .* has no Python source"),
        (OWN, {"most": 1.0}, rf"^reward\.parameters: {OWN} takes no most$"),
    ],
)
def test_what_is_no_reward_function_is_one_line(path: str, parameters: dict[str, float], line: str) -> None:
    with pytest.raises(BadReward, match=line) as caught:
        Reward.load(path, parameters)
    assert "\n" not in str(caught.value)


def test_a_judge_that_does_not_fit_is_one_line() -> None:
    with pytest.raises(BadReward, match=r"takes fidelity, q_lr, q_sr; the judge reads sharpness$"):
        Reward.load(OWN, {}).check(["sharpness"])
    with pytest.raises(BadReward, match="fidelity cannot be set"):
        Reward.load(OWN, {"fidelity": 1.0}).check(READINGS)


@pytest.mark.parametrize(
    ("body", "readings"),
    [
        ("1 / x", {"x": 0.0}),
        ("math.log(x)", {"x": 0.0}),
        ("math.exp(x)", {"x": 1e9}),
        ("x * 1e308 * 10", {"x": 1.0}),
        ("max(x, 0.0)", {"x": math.nan}),
    ],
)
def test_what_is_not_finite_is_a_failure(
    body: str, readings: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reward = written(tmp_path, monkeypatch, f"import math\ndef reward(x):\n    return {body}\n")
    failed = reward.score(Judged(readings={}), readings)
    assert isinstance(failed, Failed) and failed.reason is FailureReason.NON_FINITE


def test_another_formula_gives_other_rewards_and_another_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shipped formula, and the same file with gamma in another place."""
    source = Path(sys.modules[compass_reward.__module__].__file__ or "").read_text()
    before = written(tmp_path, monkeypatch, source, "compass_reward")
    edited = source.replace("(q_lr / gamma)", "(gamma / q_lr)")
    assert edited != source
    after = written(tmp_path, monkeypatch, edited, "compass_reward")
    shipped = Reward.load(DEFAULT, {})
    assert before.score(judged()) == shipped.score(judged()) != after.score(judged())
    assert before.provenance["reward_digest"] == shipped.provenance["reward_digest"]
    assert after.provenance["reward_digest"] != shipped.provenance["reward_digest"]
    assert after.provenance["reward_settings"] == "gamma=7.0"


def test_a_failure_stays_one() -> None:
    failed = Failed(reason=FailureReason.DEADLINE)
    assert Reward.load(DEFAULT, {}).score(failed, {"fidelity": 1.0}) is failed


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str = "reward") -> Reward:
    """A function of a module that lies outside the package, imported as by a new process."""
    (folder / "written_reward.py").write_text(source)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    sys.modules.pop("written_reward", None)
    importlib.invalidate_caches()
    return Reward.load(f"written_reward.{name}", {})
