"""The map of a stock judge's readings: monotone, of one judge, and named in what it makes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oars.compass.calibrated import MIN_LABELS, BadCalibration, Basis, Calibration, MonotoneMap, Scale
from oars.compass.outcome import Failed, FailureReason, Judged

READINGS = Judged(readings={"fidelity": 0.9, "q_lr": 4.0, "q_sr": 4.4, "confidence": 0.8})


def calibration(**changes) -> Calibration:
    halved = MonotoneMap(readings=(1.0, 5.0), labels=(1.0, 3.0))
    fields = {"judge_digest": "a" * 64, "prompt_version": "p", "data_digest": "d", "groups": 3, "quality": halved}
    return Calibration(**fields | {"fidelity": MonotoneMap(readings=(0.8, 1.0), labels=(0.0, 1.0))} | changes)


@settings(deadline=None)  # the first one imports scikit-learn
@given(st.lists(st.tuples(st.floats(1, 5), st.floats(1, 5)), min_size=MIN_LABELS, max_size=40))
def test_the_map_never_falls_and_stays_within_the_labels(pairs):
    columns = np.array(pairs).astype(np.float64)
    readings, labels = columns[:, 0], columns[:, 1]
    fitted = MonotoneMap.fit(readings, labels)
    mapped = [fitted(x) for x in np.linspace(0, 6, 50)]
    assert (np.diff(mapped) >= -1e-9).all()
    assert labels.min() - 1e-9 <= mapped[0] and mapped[-1] <= labels.max() + 1e-9


def test_a_scale_of_its_own_is_undone_and_an_order_is_kept():
    """A judge that says 3.5 to 4.5 for all there is from 1 to 5."""
    labels = np.linspace(1, 5, 41).astype(np.float64)
    fitted = MonotoneMap.fit(3 + labels / 4 + 0.01 * np.sin(40 * labels), labels)
    for label in (2.0, 3.0, 4.0):
        assert fitted(3 + label / 4) == pytest.approx(label, abs=0.2)
    assert fitted(3.61) < fitted(3.65) < fitted(3.69)


def test_few_labels_make_no_map():
    with pytest.raises(BadCalibration, match=f"7 labels, a calibration needs {MIN_LABELS}"):
        MonotoneMap.fit(np.zeros(7, np.float64), np.zeros(7, np.float64))


def test_readings_are_mapped_and_failures_and_confidence_are_not():
    mapped = calibration().apply(READINGS)
    assert isinstance(mapped, Judged)
    assert mapped.readings == pytest.approx({"fidelity": 0.5, "q_lr": 2.5, "q_sr": 2.7, "confidence": 0.8})
    failed = Failed(reason=FailureReason.DEADLINE, detail="late")
    assert calibration().apply(failed) is failed


def test_a_scale_says_what_it_stands_on(tmp_path):
    file = tmp_path / "calibration.json"
    file.write_text(calibration().model_dump_json())
    assert Scale.of(True, "a" * 64, None).basis is Basis.FINE_TUNED
    raw, mapped = Scale.of(False, "a" * 64, None), Scale.of(False, "a" * 64, file)
    assert (raw.basis, raw.digest, raw.apply(READINGS)) == ("zero-shot, uncalibrated", None, READINGS)
    assert mapped.basis == "zero-shot, calibrated" and mapped.digest is not None and len(mapped.digest) == 64
    assert mapped.apply(READINGS) != READINGS


@pytest.mark.parametrize(
    ("text", "what"),
    [(None, "No such file"), ("{", "Invalid JSON"), (calibration().model_dump_json(), "was fitted to the judge aaaa")],
)
def test_a_calibration_that_cannot_be_used_is_one_line_that_names_the_file(tmp_path, text, what):
    file = tmp_path / "calibration.json"
    if text:
        file.write_text(text)
    with pytest.raises(BadCalibration, match=f"^judge.calibration: {file}.*{what}") as caught:
        Scale.of(False, "b" * 64, file)
    assert "\n" not in str(caught.value)
