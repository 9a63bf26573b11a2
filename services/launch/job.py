"""The alignment as a Ray job: what is submitted, and how it is followed to its end."""

import asyncio
import os
import shlex
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from ray.job_submission import JobStatus, JobSubmissionClient

from oars.config import RunConfig
from oars.deployment import deploy_path
from services.launch.addresses import NoCluster
from services.launch.cluster import ROOT, Cluster
from services.launch.upload import check_upload, is_checkout
from services.run.progress import Progress, ProgressLine, progress
from services.run.run_directory import SENT_CONFIG, new_run_id, runs_folder

# The recipe that `ray job submit` takes, too: exclusions, stop wait, offline switches.
RUNTIME_ENV = "job/runtime-env.yaml"
# How long a job may take to leave the queue and print its first line before its status is looked at again.
_POLL_S = 0.5
_SERVER_WAIT_S = 60.0


@dataclass(frozen=True)
class AlignJob:
    """One submission."""

    name: str
    entrypoint: str
    runtime_env: dict[str, object] = field(default_factory=dict)

    @classmethod
    def begin(cls, config: RunConfig, run_id: str | None, where: Cluster) -> "AlignJob":
        """A run that begins, or goes on if the id is that of one. A job's name is used once."""
        name = new_run_id(run_id or config.name)
        return cls._of(name, ["--run-id", run_id or name], config, where)

    @classmethod
    def resume(cls, run: Path, config: RunConfig, where: Cluster) -> "AlignJob":
        """Go on with the run in this directory, which the driver's node sees under the same path."""
        return cls._of(new_run_id(run.name), ["--resume", str(run)], config, where)

    @classmethod
    def _of(cls, name: str, what: list[str], config: RunConfig, where: Cluster) -> "AlignJob":
        """The resolved config travels in the job's environment, so that the driver does not resolve it again. On a
        cluster of our own the job uses this Python and these files. Elsewhere the code of a checkout travels with it;
        an installed package does not, since the nodes have theirs. Raises TooLarge."""
        words = [sys.executable if where.own_head else "python", "-m", "services.launch.driver", "--sent-config", *what]
        if where.own_head:  # Ray tells a job of the machine's newest cluster, whichever that is
            words += ["--address", where.own_head]
        recipe = yaml.safe_load(deploy_path(RUNTIME_ENV).read_text())
        sent = (_absolute_paths(config) if where.own_head else config).model_dump_json()
        env = {"env_vars": recipe["env_vars"] | {SENT_CONFIG: sent}}
        if not where.own_head and is_checkout(ROOT):
            check_upload(ROOT, recipe["excludes"])
            env = recipe | {"working_dir": str(ROOT)} | env
        return cls(name, shlex.join(words), env)


def _absolute_paths(config: RunConfig) -> RunConfig:
    """The job's current directory is not the user's."""
    data = config.data
    if (photos := Path(data.photos)).is_dir():
        data = data.model_copy(update={"photos": str(photos.absolute())})
    if (low := data.low_quality).photos is not None and (photos := Path(low.photos)).is_dir():
        data = data.model_copy(update={"low_quality": low.model_copy(update={"photos": str(photos.absolute())})})
    generator, stages = config.generator, config.stages
    if (model := Path(generator.path)).is_dir():
        generator = generator.model_copy(update={"path": str(model.absolute())})
    if (weights := stages.cold_start.weights) is not None:
        cold = stages.cold_start.model_copy(update={"weights": weights.absolute()})
        stages = stages.model_copy(update={"cold_start": cold})
    if stages.refresh is not None and (training := stages.refresh.training) is not None:
        refresh = stages.refresh.model_copy(update={"training": training.absolute()})
        stages = stages.model_copy(update={"refresh": refresh})
    changed = {"runs": runs_folder(config.runs), "data": data, "generator": generator, "stages": stages}
    return config.model_copy(update=changed)


def submit(where: Cluster, job: AlignJob) -> str:
    """The submission id, which is the job's name. Raises NoCluster if the job server does not answer."""
    client = _client(where)
    token = " (it asks for what `ray get-auth-token` prints)" if os.environ.get("RAY_AUTH_MODE") == "token" else ""
    print(f"job {job.name}; dashboard and job server: {where.dashboard}{token}", flush=True)
    return client.submit_job(
        entrypoint=job.entrypoint,
        submission_id=job.name,
        runtime_env=job.runtime_env,
        metadata={"name": job.name},
    )


def _client(where: Cluster) -> JobSubmissionClient:
    """The dashboard of a new head answers seconds after the head does."""
    _without_proxy(urlsplit(where.dashboard).hostname or "")
    deadline = time.monotonic() + _SERVER_WAIT_S
    while True:
        try:
            return JobSubmissionClient(where.dashboard)
        except ConnectionError as error:
            if time.monotonic() > deadline:
                raise NoCluster(f"no job server answers at {where.dashboard}") from error
            time.sleep(_POLL_S)


def _without_proxy(host: str) -> None:
    """For this process: Ray's job client would ask the environment's proxy for a server in one's own network.

    Jobs have the environment of their cluster's nodes, which is not touched.
    """
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [known for known in os.environ.get(name, "").split(",") if known]
        if host not in hosts:
            os.environ[name] = ",".join([*hosts, host])


def follow(where: Cluster, job_id: str) -> int:
    """Show the job's output until it ends; its exit code. Ctrl-C stops the job, which saves a checkpoint first."""
    client = _client(where)
    try:
        with progress() as shown:
            asyncio.run(_show(client, job_id, shown))
    except KeyboardInterrupt:
        print("stopping at the next step boundary", flush=True)
        client.stop_job(job_id)
        asyncio.run(_ended(client, job_id))
    info = client.get_job_info(job_id)
    print(f"job {job_id}: {info.status}", flush=True)
    if info.driver_exit_code is not None:
        return int(info.driver_exit_code)
    return 0 if info.status == JobStatus.SUCCEEDED else 1


async def _show(client: JobSubmissionClient, job_id: str, shown: Progress) -> None:
    async for line in _lines(client.tail_job_logs(job_id)):
        if parsed := ProgressLine.parse(line):
            shown.update(parsed)
        else:
            print(line, flush=True)
    await _ended(client, job_id)


async def _lines(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    """Whole lines out of arbitrary chunks."""
    rest = ""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split("\n")
        for line in whole:
            yield line
    if rest:
        yield rest


async def _ended(client: JobSubmissionClient, job_id: str) -> None:
    """The log ends shortly before the status says so."""
    while not client.get_job_status(job_id).is_terminal():
        await asyncio.sleep(_POLL_S)
