"""The first line of the report: gains, losses and alarms together."""

from oars.evaluation.intervals import Interval
from oars.report.held_out import headline
from oars.report.summary import Alarm, Summary


def interval(mean: float, half: float) -> Interval:
    return Interval(mean=mean, low=mean - half, high=mean + half, count=8)


def summary(**changes: object) -> Summary:
    paired = {
        "reward": interval(0.2, 0.1), "psnr": interval(-0.4, 0.1), "stlpips": interval(0.03, 0.01),
        "ssim": interval(0.0, 0.1), "lattice": interval(16.4, 2.0),
    }  # fmt: skip
    told = {"paired": {"aligned-sft": paired}, "lower_is_better": ["stlpips", "lattice"], **changes}
    return Summary(run_id="r", name="n", status="succeeded", started_at="", **told)  # type: ignore[arg-type]


def alarm(step: int) -> Alarm:
    return Alarm(step=step, name="lattice", level=4.05, limit=1.0, action="roll_back")


def test_a_gain_in_the_reward_does_not_hide_what_was_lost() -> None:
    assert headline(summary(looks=6)) == (
        "Aligned against SFT, held-out photos: better in COMPASS reward (+0.2); worse in PSNR (-0.4), "
        "ST-LPIPS (+0.03), Lattice (+16.4); no clear change in SSIM. No alarm in 6 looks."
    )


def test_alarms_and_the_roll_back_are_part_of_it() -> None:
    said = headline(summary(looks=2, alarms=[alarm(10), alarm(20)], rolled_back_to=0))
    assert said.endswith("Alarms: lattice at step 10 (4.05, limit 1). Rolled back to step 0.")


def test_a_run_that_ended_early_has_its_alarms_alone() -> None:
    assert headline(summary(paired={})) == ""
    assert headline(summary(paired={}, alarms=[alarm(10)])) == "Alarms: lattice at step 10 (4.05, limit 1)."
