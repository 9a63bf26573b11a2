"""Whatever dies, and whenever: every group leaves once, trained groups are trained once, and the weights come out.

Drivers are killed between any two writes to the ledger, and ranks in any call; then another driver goes on with what is
on disk. The fake learner's weights are the history of what it trained on, so equal digests mean equal training.
"""

import asyncio
import hashlib
import json
import random
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_roles import Judge, K, Rollouts, Samples, Silent, Source, scored, virtual_now
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learner.checkpoint import DamagedCheckpoint
from learner.errors import NonFiniteGradient
from learner.ranks import LearnerLost
from learner.report import StepReport
from oars.alignment.drops import DropReason
from oars.alignment.messages import (
    AttemptFailed,
    PolicySnapshot,
    Published,
    RolloutRequest,
    Sampled,
    TrainingGroup,
)
from oars.alignment.stage import RL_STAGES
from oars.compass.outcome import CandidateOutcome
from oars.config import RunConfig
from oars.imaging.crops import Pair
from oars.retry import GiveUp, Retry
from services.align import rl_stage
from services.control.drops import NothingTrainable
from services.control.policy_store import PolicyStore
from services.control.roles import conductor_of, learner_of, observer_of
from services.run.checkpoints import Checkpoints
from services.run.errors import innermost
from services.run.ledger import Ledger
from services.run.run import Run
from services.run.run_directory import BadRun
from services.run.stopping import StopRequest
from services.run.storage import storage_fault
from services.run.telemetry import Telemetry
from services.run.watchdog import Watchdog
from services.simulate.virtual_time import run_virtual

NEVER = 10**9
STAGES = {"fr_rl": {"steps": 3, "groups": 2}, "nr_rl": {"steps": 2, "groups": 3}}


class Killed(BaseException):
    """kill -9 of the driver."""


@dataclass
class MortalConnection:
    """Takes so many writes; a transaction that is under way then is lost, as with a process that is killed."""

    db: sqlite3.Connection
    writes: int

    def execute(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        if not query.startswith("SELECT"):
            self.writes -= 1
            if self.writes < 0:
                raise Killed
        return self.db.execute(query, values)

    def __enter__(self) -> None:
        self.db.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.db.__exit__(*error)

    def close(self) -> None:
        self.db.close()


@dataclass
class Ranks:
    """Ranks whose weights are their history."""

    dies: Callable[[], bool]
    poisoned: int = 0
    """A batch with a group whose number is a multiple of this has no finite gradient; 0: none."""
    history: list[Any] = field(default_factory=list)
    version: int = -1
    dead: bool = False
    stopped: bool = False

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        self.dead = self.dead or self.dies()
        if self.dead:
            raise LearnerLost("killed")

    async def begin_rl(self) -> None:
        await self._answer()

    async def train(self, groups: Sequence[TrainingGroup], version: int) -> StepReport:
        await self._answer()
        assert version == self.version
        if self.poisoned and any(int(group.group_id.split("-")[1]) % self.poisoned == 0 for group in groups):
            self.dead = True
            raise NonFiniteGradient("gradient norm is nan")
        self.history.append([[group.sample, list(group.optimality)] for group in groups])
        await self._answer()
        return StepReport(len(self.history), version, {"total": 1.0}, 0.5, {}, 0.1)

    async def publish(self, version: int) -> PolicySnapshot:
        await self._answer()
        self.version = version
        return PolicySnapshot(version, self.digest(), {"a": torch.zeros(1)})

    async def save(self, path: Path, meta: dict[str, Any]) -> None:
        await self._answer()
        path.mkdir(parents=True, exist_ok=True)
        (path / "state.json").write_text(json.dumps([self.history, self.version, meta]))

    async def load(self, path: Path) -> dict[str, Any]:
        await self._answer()
        try:
            self.history, self.version, meta = json.loads((path / "state.json").read_text())
        except ValueError as error:
            raise DamagedCheckpoint(f"{path}: torn checkpoint") from error
        return dict(meta)

    async def ping(self) -> list[int]:
        await self._answer()
        return []

    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.history).encode()).hexdigest()

    def stop(self) -> None:
        self.stopped = True

    async def snapshot(self, version: int) -> PolicySnapshot:
        raise NotImplementedError

    async def cold_start_step(self, pairs: list[Pair]) -> StepReport:
        await self._answer()
        return StepReport(1, -1, {"total": 1.0}, 0.5, {}, 0.1)

    async def save_sft(self, path: Path) -> None: ...


class WatchfulRollouts(Rollouts):
    """Samples are named after the group and the policy that drew them; publications are remembered."""

    def __init__(self, chance: random.Random, failures: float, seen: list[int]) -> None:
        super().__init__(chance, pause_s=0.001, fate=self._end)
        self._failures, self._seen = failures, seen

    def publish(self, policy: Published) -> None:
        super().publish(policy)
        self._seen.append(policy.version)

    def _end(self, request: RolloutRequest, sampled: Sampled) -> Sampled | AttemptFailed:
        if self.chance.random() < self._failures:
            return AttemptFailed("killed", timed_out=False)
        return Sampled(sampled.receipt, sampled.images, f"{request.group_id}@{sampled.receipt.digest}", 0.0)


def outcomes(request: str) -> list[CandidateOutcome]:
    """Every fourth group is degenerate; a group's scores follow from its number."""
    number = int(request.split("-")[1].split(".")[0])
    return [scored(4.8 if number % 4 == 0 else float((number * 7 + k * k) % 5)) for k in range(K)]


@dataclass
class Disk:
    """What outlives a driver."""

    directory: Path
    config: RunConfig
    samples: Samples = field(default_factory=Samples)
    published: list[int] = field(default_factory=list)
    history: list[Any] = field(default_factory=list)

    @property
    def ledger(self) -> Path:
        return self.directory / "ledger.sqlite"


def at_once(attempt: int, timed_out: bool) -> Retry | GiveUp[DropReason]:
    return Retry(0.0)


def drive(
    disk: Disk,
    writes: int,
    chance: random.Random,
    failures: float,
    losses: float,
    poisoned: int = 0,
    wall_clock: Callable[[], float] = time.time,
) -> bool:
    """One driver; True if it lived to the end of both stages."""
    ledger = Ledger.drive(disk.ledger, wall_clock)
    ledger._db.execute("PRAGMA synchronous=OFF")  # drivers die here, machines do not
    ledger._db = MortalConnection(ledger._db, writes)  # type: ignore[assignment]
    telemetry = Telemetry(disk.directory, "run", None)
    run = Run("run", disk.directory, disk.config, ledger, telemetry, Watchdog(60), StopRequest(), Silent(), virtual_now)
    ranks: list[Ranks] = []

    async def start() -> Ranks:
        ranks.append(Ranks(lambda: chance.random() < losses, poisoned))
        return ranks[-1]

    async def life() -> None:
        rollouts = WatchfulRollouts(chance, failures, disk.published)
        store = PolicyStore(lambda snapshot: snapshot)
        observer, judge = observer_of(run), Judge(outcomes)
        async with learner_of(run, observer, disk.samples, start) as learner:
            conductor = conductor_of(run, observer, Source(), rollouts, judge, learner, store, disk.samples, at_once)
            await conductor.begin()
            for stage in RL_STAGES:
                await rl_stage(conductor, stage)
            await conductor.checkpoint()

    try:
        run_virtual(life)
    except (Killed, BaseExceptionGroup) as error:
        group = error if isinstance(error, BaseExceptionGroup) else BaseExceptionGroup("", [error])
        if (others := group.split(Killed)[1]) is not None:
            raise others from error
        return False
    finally:
        telemetry.close()
        ledger.close()
    disk.history = ranks[-1].history
    return True


def test_the_cold_starts_processes_end_before_rl_begins(tmp_path: Path) -> None:
    disk, ranks = Disk(tmp_path, RunConfig()), list[Ranks]()
    ledger, telemetry = Ledger.drive(disk.ledger), Telemetry(tmp_path, "run", None)
    run = Run("run", tmp_path, disk.config, ledger, telemetry, Watchdog(60), StopRequest(), Silent())

    async def start() -> Ranks:
        ranks.append(Ranks(lambda: False))
        return ranks[-1]

    async def no_pairs(step: int) -> list[Pair]:
        return []

    async def life() -> None:
        async with learner_of(run, observer_of(run), disk.samples, start) as learner:
            await learner.begin_cold_start(no_pairs)
            await learner.cold_start_step([])
            await learner.begin_rl()
            assert [one.stopped for one in ranks] == [True, False]

    asyncio.run(life())
    telemetry.close()
    ledger.close()


def align(
    directory: Path,
    max_staleness: int | str,
    kills: list[int],
    seed: int,
    failures: float,
    losses: float,
    poisoned: int = 0,
) -> Disk:
    control = {
        "max_staleness": max_staleness,
        "checkpoint_every": 2,
        "learner_restarts": 1000,
        "group_attempts": 1000,
        "heartbeat_s": 0.003,
    }
    disk, chance = (
        Disk(directory, RunConfig.model_validate({"control": control, "stages": STAGES})),
        random.Random(seed),
    )
    for writes in kills:
        if drive(disk, writes, chance, failures, losses, poisoned):
            return disk
    assert drive(disk, NEVER, chance, failures, losses, poisoned)
    return disk


@settings(max_examples=30)
@given(
    max_staleness=st.sampled_from([0, 1, 2, 4, 8, "unbounded"]),
    kills=st.lists(st.integers(1, 150), max_size=4),
    seed=st.integers(0, 10**6),
    failures=st.sampled_from([0.0, 0.2]),
    losses=st.sampled_from([0.0, 0.05]),
    poisoned=st.sampled_from([0, 5]),
)
def test_every_group_leaves_once_and_is_trained_once(
    tmp_path_factory: pytest.TempPathFactory,
    max_staleness: int | str,
    kills: list[int],
    seed: int,
    failures: float,
    losses: float,
    poisoned: int,
) -> None:
    disk = align(tmp_path_factory.mktemp("run"), max_staleness, kills, seed, failures, losses, poisoned)
    ledger = Ledger.drive(disk.ledger)
    counts, wanted = ledger.counts(), sum(stage["steps"] * stage["groups"] for stage in STAGES.values())
    assert ledger.violations(final=True) == []
    assert counts.trained == wanted and counts.admitted == wanted + sum(counts.dropped.values())
    trained = [sample.split("@")[0] for batch in disk.history for sample, _ in batch]
    assert len(set(trained)) == len(trained) == wanted, "in the weights, too, each group is once"
    assert max(ledger.staleness()) <= disk.config.control.staleness_bound
    assert disk.published == sorted(disk.published), "the version that workers know never falls"
    secured = Checkpoints(disk.directory / "checkpoints", disk.config.control.keep_checkpoints).secured()
    assert set(disk.samples.kept) <= set(ledger.needed(secured)), "only what repeats the steps since the oldest"
    ledger.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What an undisturbed synchronous run trains on."""
    return align(tmp_path_factory.mktemp("whole"), 0, [], 0, 0.0, 0.0).history


@settings(max_examples=12)
@given(st.lists(st.integers(1, 120), max_size=3), st.integers(0, 10**6), st.sampled_from([0.0, 0.05]))
def test_synchronous_weights_do_not_know_what_died(
    tmp_path_factory: pytest.TempPathFactory, whole: list[Any], kills: list[int], seed: int, losses: float
) -> None:
    assert align(tmp_path_factory.mktemp("broken"), 0, kills, seed, 0.2, losses).history == whole


@settings(max_examples=10)
@given(st.integers(20, 120), st.integers(0, 10**6))
def test_a_clock_that_jumps_by_an_hour_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, whole: list[Any], writes: int, seed: int
) -> None:
    control = {"max_staleness": 0, "checkpoint_every": 2, "heartbeat_s": 0.003}
    config = RunConfig.model_validate({"control": control, "stages": STAGES})
    disk, chance = Disk(tmp_path_factory.mktemp("run"), config), random.Random(seed)

    def wall_clock() -> float:
        return 10**9 + virtual_now() + 3600 * chance.randint(-1, 1)

    if not drive(disk, writes, chance, 0.0, 0.0, wall_clock=wall_clock):
        assert drive(disk, NEVER, chance, 0.0, 0.0, wall_clock=wall_clock)
    assert disk.history == whole
    ledger = Ledger.drive(disk.ledger)
    assert ledger.violations(final=True) == []
    ledger.close()


def test_a_batch_without_a_finite_gradient_leaves_and_the_run_goes_on(tmp_path: Path) -> None:
    disk = align(tmp_path, 0, [], 0, 0.0, 0.0, poisoned=5)
    ledger = Ledger.drive(disk.ledger)
    dropped = ledger.counts().dropped[DropReason.NON_FINITE]
    assert dropped >= 2 and ledger.violations(final=True) == []
    ledger.close()


def test_a_run_without_any_finite_gradient_ends(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        align(tmp_path, 0, [], 0, 0.0, 0.0, poisoned=1)
    assert isinstance(innermost(caught.value), NothingTrainable) and "non_finite" in str(innermost(caught.value))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Inside, the kernel refuses every write beyond this size of a file, as a full disk refuses it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@settings(max_examples=15)
@given(st.integers(1, 120), st.integers(0, 10**6))
def test_a_disk_that_is_full_at_any_write_ends_the_run_and_a_resume_goes_on(
    tmp_path_factory: pytest.TempPathFactory, kib: int, seed: int
) -> None:
    config = RunConfig.model_validate({"control": {"checkpoint_every": 2, "heartbeat_s": 0.003}, "stages": STAGES})
    disk, chance, whole = Disk(tmp_path_factory.mktemp("run"), config), random.Random(seed), False
    with largest_file(kib * 1024):
        try:
            whole = drive(disk, NEVER, chance, 0.0, 0.0)
        except (ExceptionGroup, OSError, sqlite3.OperationalError, BadRun) as error:
            fault = storage_fault(error, disk.directory)
            assert fault and str(disk.directory) in fault, error
    assert whole or drive(disk, NEVER, chance, 0.0, 0.0)
    ledger = Ledger.drive(disk.ledger)
    assert ledger.violations(final=True) == []
    assert ledger.counts().trained == sum(stage["steps"] * stage["groups"] for stage in STAGES.values())
    ledger.close()


def damage(disk: Disk, newest: int = 1) -> list[str]:
    """Truncate the newest checkpoints; their names."""
    found = sorted((disk.directory / "checkpoints").glob("step_*"), key=lambda path: int(path.name.split("_")[1]))
    for path in found[-newest:]:
        (path / "state.json").write_text("[")
    return [path.name for path in found]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.integers(60, 160), losses=st.sampled_from([0.0, 0.05]), seed=st.integers(0, 10**6))
def test_a_damaged_checkpoint_is_said_and_the_one_before_it_leads_to_the_same_weights(
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    whole: list[Any],
    writes: int,
    losses: float,
    seed: int,
) -> None:
    control = {"max_staleness": 0, "checkpoint_every": 2, "heartbeat_s": 0.003, "learner_restarts": 1000}
    config = RunConfig.model_validate({"control": control, "stages": STAGES})
    disk, chance = Disk(tmp_path_factory.mktemp("run"), config), random.Random(seed)
    if not drive(disk, writes, chance, 0.0, losses) and (there := damage(disk)):
        capsys.readouterr()
        assert drive(disk, NEVER, chance, 0.0, losses)
        said = capsys.readouterr().out.splitlines()
        assert [line for line in said if there[-1] in line and "torn checkpoint; set aside as" in line] == said
    elif not disk.history:
        assert drive(disk, NEVER, chance, 0.0, losses)
    assert disk.history == whole
    ledger = Ledger.drive(disk.ledger)
    assert ledger.violations(final=True) == []
    ledger.close()


def test_a_run_without_a_checkpoint_that_can_be_read_says_so_each_time(tmp_path: Path) -> None:
    config = RunConfig.model_validate({"control": {"checkpoint_every": 1, "heartbeat_s": 0.003}, "stages": STAGES})
    disk = Disk(tmp_path, config)
    assert drive(disk, NEVER, random.Random(0), 0.0, 0.0)
    assert damage(disk, newest=2) == ["step_4", "step_5"]
    for _ in range(2):
        with pytest.raises(DamagedCheckpoint, match="step_4: torn checkpoint; there is no older checkpoint"):
            try:
                drive(disk, NEVER, random.Random(0), 0.0, 0.0)
            except ExceptionGroup as error:
                raise innermost(error) from None


@settings(max_examples=25)
@given(st.integers(20, 150), st.sampled_from([0, 2]), st.sampled_from([1, 2, 5]), st.integers(0, 10**6))
def test_groups_whose_samples_are_damaged_leave_and_the_run_goes_on(
    tmp_path_factory: pytest.TempPathFactory, writes: int, max_staleness: int, every: int, seed: int
) -> None:
    control = {"max_staleness": max_staleness, "checkpoint_every": every, "heartbeat_s": 0.003}
    config = RunConfig.model_validate({"control": control, "stages": STAGES})
    disk, chance = Disk(tmp_path_factory.mktemp("run"), config), random.Random(seed)
    repeated: set[str] = set()
    if not drive(disk, writes, chance, 0.0, 0.0):
        saved = [int(path.name.split("_")[1]) for path in (disk.directory / "checkpoints").glob("step_*")]
        ledger = Ledger.drive(disk.ledger)
        since = ledger.trained_after(max(saved, default=0))
        repeated = {group.group_id for batch in since for group in batch.groups}
        ledger.close()
        damaged = set(chance.sample(sorted(disk.samples.kept), k=len(disk.samples.kept) // 2))
        repeated &= damaged
        for group in damaged:
            del disk.samples.kept[group]
        assert drive(disk, NEVER, chance, 0.0, 0.0)
    ledger = Ledger.drive(disk.ledger)
    wanted = sum(stage["steps"] * stage["groups"] for stage in STAGES.values())
    assert ledger.violations(final=True) == []
    assert ledger.counts().trained == wanted - len(repeated), "a step that is repeated trains on what is left of it"
    trained = [sample.split("@")[0] for batch in disk.history for sample, _ in batch]
    assert len(set(trained)) == len(trained) == ledger.counts().trained
    ledger.close()
