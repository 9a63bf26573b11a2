"""Config of the alarms: what is watched while a run trains, from what level on, and what then happens."""

from typing import Literal, get_args

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from oars.config.base import Config

Action = Literal["warn", "pause", "stop", "roll_back"]
AlarmName = Literal[
    "divergence",
    "lattice",
    "speckle",
    "brightness",
    "colour",
    "shift",
    "zoom",
    "x0_norm",
    "velocity_norm",
    "diversity",
    "confidence",
]
ALARMS: tuple[AlarmName, ...] = get_args(AlarmName)
"""The fields of `AlarmsConfig` that are alarms."""


LEAST_WATCHED = 64
"""Pixels: a lattice of period 32 twice."""
LEAST_WATCHED_LR = 16
"""Pixels: less has no place on the LR (oars/metrics/place.py)."""


class AlarmConfig(Config):
    """One alarm: raised when its level is above `limit` at `alarms.in_a_row` looks in a row."""

    limit: PositiveFloat
    """Level above which a look counts."""
    action: Action = "warn"
    """`warn`: say so. `pause`: write a checkpoint and end with exit code 3; `oars align --resume RUN` goes on. `stop`:
    end RL here, and evaluate. `roll_back`: end RL, and evaluate the weights of the last look at which no alarm that
    ends or pauses RL was above half its limit."""


class AlarmsConfig(Config):
    """Every few steps a fixed set of training crops is restored and measured, by rollout workers between groups. All
    levels but `shift` and `zoom` are changes since RL began, on the same crops with the same noise."""

    every: NonNegativeInt = 5
    """RL optimiser steps between two looks; 0 looks never. An exploited judge shows within some ten steps."""
    crops: int = Field(default=8, ge=2)
    """Training crops with ground truth, of `data.crop` pixels. With 8 the mean PSNR of an honest step varies by less
    than half of the tolerance in `divergence`."""
    candidates: int = Field(default=2, ge=2)
    """Outputs of each crop; two are the least that show whether they differ."""
    in_a_row: PositiveInt = 2
    """Looks in a row above a limit that raise its alarm: one alone may be chance."""
    divergence: AlarmConfig = AlarmConfig(limit=1.0, action="roll_back")
    """While the judge's reward rises: the median loss of PSNR, ST-LPIPS and ColorVideoVDP, each less its standard error
    over crops, in tolerances of 0.2 dB, 0.01 and 0.1 JOD. 1: two of three lose more than a user would accept."""
    lattice: AlarmConfig = AlarmConfig(limit=1.0, action="roll_back")
    """Grey levels, rms, of the strongest lattice that the outputs gained, of 2 to 32 pixels and an eighth of a side. 1:
    flat areas begin to show a weave; honest outputs gain less than half of it (oars/metrics/lattice.py)."""
    speckle: AlarmConfig = AlarmConfig(limit=1.0)
    """Levels, rms, of fine chroma above both the ground truth's and that at the start. 1: as much as a photo has."""
    brightness: AlarmConfig = AlarmConfig(limit=3.0)
    """Grey levels by which the outputs' mean moved. 3: about 1 % of the range, seen when flipping between pictures."""
    colour: AlarmConfig = AlarmConfig(limit=2.0)
    """Levels by which the outputs' mean chroma moved (Cb and Cr together). 2: a cast that is seen on grey."""
    shift: AlarmConfig = AlarmConfig(limit=1.0)
    """Pixels of the output between it and the LR, the median over crops. 1: twice the error of measuring."""
    zoom: AlarmConfig = AlarmConfig(limit=0.01)
    """Enlargement against the LR beyond 1, the median over crops. 0.01: the border of a 512 px tile moves by 3 px, and
    tiles do not meet."""
    x0_norm: AlarmConfig = AlarmConfig(limit=0.25)
    """Relative change of the latents' root mean square. 0.25: beyond what differs between two sets of photos."""
    velocity_norm: AlarmConfig = AlarmConfig(limit=0.25)
    """Relative change of the velocities' root mean square; as for `x0_norm`."""
    diversity: AlarmConfig = AlarmConfig(limit=0.7)
    """Share of the outputs' difference within a crop that is lost. 0.7: groups of near equals teach nothing."""
    confidence: AlarmConfig = AlarmConfig(limit=0.2)
    """Probability on score tokens that the judge lost. 0.2: the outputs are unlike what it was trained on."""

    def alarm(self, name: AlarmName) -> AlarmConfig:
        """The alarm of this name."""
        config: AlarmConfig = getattr(self, name)
        return config
