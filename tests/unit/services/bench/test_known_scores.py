"""What the long measurements conclude from their samples."""

import pytest

from benchmarks.reward_storm import longest_silence
from benchmarks.soak_reward import growth, quarters
from oars.compass.outcome import Failed, FailureReason, Judged, JudgeOutcome
from services.bench.known_scores import compare
from services.bench.load import Sample

FAILED = Failed(reason=FailureReason.UNAVAILABLE)


def read(quality: float) -> Judged:
    return Judged(readings={"fidelity": 1, "q_sr": quality})


def sample(number: int, *outcomes: JudgeOutcome, judge: str = "a", at: float = 0, seconds: float = 1) -> Sample:
    return Sample(number, at, seconds, "answered" if outcomes else "late", outcomes, judge if outcomes else None)


KNOWN = {"a": [[read(1), read(2)], [read(3), read(4)]], "b": [[read(5), read(6)], [read(7), read(8)]]}


def test_each_answer_is_held_against_its_own_group_and_judge() -> None:
    right = [
        sample(0, read(1), read(2)),
        sample(3, read(3), read(4.0005)),
        sample(2, read(5), read(6), judge="b"),
    ]
    found = compare(right, KNOWN, 1e-3)
    assert (found.answers, found.unscored, found.wrong) == (3, 0, 0)
    assert found.largest_error == pytest.approx(5e-4)


def test_a_lost_request_a_failed_pair_a_mixed_group_and_an_unknown_judge_are_seen() -> None:
    assert compare([sample(0)], KNOWN, 1e-3).unscored == 1
    assert compare([sample(0, read(1), FAILED)], KNOWN, 1e-3).unscored == 1
    mixed = compare([sample(0, read(1), read(6))], KNOWN, 1e-3)
    assert (mixed.wrong, mixed.largest_error) == (1, 4)
    assert compare([sample(0, read(1), read(2), judge="c")], KNOWN, 1e-3).wrong == 2


def test_the_longest_silence_counts_from_the_event_and_to_its_end() -> None:
    samples = [sample(n, read(1), at=at, seconds=1) for n, at in enumerate([0.0, 2.0, 9.0])]
    assert longest_silence(samples, 0.0, 12.0) == 7.0
    assert longest_silence(samples, 4.0, 8.0) == 4.0


def test_growth_is_that_of_the_second_half() -> None:
    warming_up = [(float(t), 1.0 if t >= 50 else 0.5) for t in range(100)]
    assert growth(warming_up) == pytest.approx(0)
    assert growth([(float(t), 1 + t / 100) for t in range(101)]) == pytest.approx(0.5 / 1.75)


def test_quarters_are_by_the_start_of_a_request() -> None:
    samples = [sample(n, read(1), at=float(n), seconds=n // 10) for n in range(40)]
    assert [quarter.p50 for quarter in quarters(samples, 40.0)] == [0, 1, 2, 3]
