"""`evaluation.json` of a judge: what was compared with what, and every number of its page."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from oars.evaluation.intervals import Interval

SCHEMA_VERSION = 1
Subset = Literal["all", "regression", "generative", "unseen"]
Output = Literal["F", "Q_LR", "Q_SR"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PairAccuracy(_Record):
    """Share of pairs that one contender puts in the order of one reference."""

    reference: str
    contender: str
    subset: Subset
    accuracy: Interval
    """`count` is the number of pairs; the unit of resampling is a photo."""
    judge_minus: Interval | None
    """The judge's accuracy minus this one's, on the same pairs; None for the judge itself."""


class OutputAgreement(_Record):
    """One output of the judge against its labels, over all transitions (Q_LR: over inputs)."""

    output: Output
    srcc: Interval
    plcc: Interval
    calibration_error: Interval
    """Mean distance between what is read and what is labelled, over ten equally full bins of what is read."""
    mean_error: float
    """Mean absolute difference."""


class HumanAgreement(_Record):
    """Scores of one contender against people's mean scores, over all pictures of a benchmark; no curve is fitted."""

    contender: str
    srcc: Interval
    plcc: Interval


class ProbeRow(_Record):
    """The judge on one change of known kind and strength, made to held-out ground truths; means over crops."""

    probe: str
    strength: float
    fidelity: float
    q_sr: float
    reward: float
    fidelity_falls: Interval | None
    """Share of crops on which F is lower than at the strength before; None for the first."""
    q_sr_falls: Interval | None
    reward_falls: Interval | None


class LadderStep(_Record):
    """Q_LR of the same crops, degraded ever harder."""

    strength: float
    q_lr: Interval
    falls: Interval | None
    """Share of crops on which Q_LR is lower than at the strength before."""


class WrongPair(_Record):
    """A pair that the judge puts in the wrong order, by much."""

    input_id: str
    better: str
    worse: str
    gap: float
    """Reward of the worse output minus that of the better one."""


class AblationRow(_Record):
    """One variant of the paper's Table 3, over several trainings that differ in their seed only."""

    variant: str
    training: str
    """Labels of the judges that it reads: `anchor` or `calibrated`."""
    accuracies: tuple[float, ...]
    """One a seed, on the pairs of the reference."""
    accuracy: Interval
    """Over photos, all seeds pooled."""
    gain: Interval | None
    """Over `plain`, `+ calibration` or `+ explicit fidelity`, whichever it adds to; the same seeds and pairs, resampled
    by photo. None for the first."""


class JudgeEvaluation(_Record):
    """evaluation.json."""

    schema_version: int = SCHEMA_VERSION
    judge: str
    judge_digest: str
    """SHA-256 of the checkpoint, as in the provenance of its scores."""
    basis: str = ""
    """`fine-tuned`, or a zero-shot judge."""
    data: str
    data_digest: str
    split: str
    gamma: float
    photos: int
    inputs: int
    transitions: int
    unseen_enhancers: tuple[str, ...]
    """Enhancers that the judge's training left out."""
    confidence: float
    """Least probability mass on score tokens."""
    references: dict[str, str]
    """Description of each reference order."""
    accuracies: tuple[PairAccuracy, ...]
    agreements: tuple[OutputAgreement, ...]
    human: tuple[HumanAgreement, ...] = ()
    """On a benchmark with people's scores."""
    probes: tuple[ProbeRow, ...] = ()
    ladder: tuple[LadderStep, ...] = ()
    wrong_pairs: tuple[WrongPair, ...] = ()
    ablation: tuple[AblationRow, ...] = ()

    def accuracy(self, reference: str, contender: str, subset: Subset = "all") -> PairAccuracy | None:
        for row in self.accuracies:
            if (row.reference, row.contender, row.subset) == (reference, contender, subset):
                return row
        return None
