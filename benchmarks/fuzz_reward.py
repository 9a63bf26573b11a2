"""`python -m benchmarks.fuzz_reward`: bad inputs against a served COMPASS, with good requests in between.

Starts a cluster of its own with the judge on vLLM and both gateways, behind a token. Everything is seeded. Exit code 1
for any fault: a 5xx that is no honest overload, a code that says the server broke, a connection held open, a good
request that was not answered right, or a process that had to be replaced.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.fuzz.openapi import run_schemathesis
from benchmarks.fuzz.report import Report
from benchmarks.fuzz.run import Fuzz, Target
from benchmarks.result import Result, write_result
from oars.config import GatewayConfig, load_profile
from oars.deployment import DEFAULT_PROFILE, deploy_path

_READ_TIMEOUT_S = 3.0
_SCHEMATHESIS_SHARE = 0.2
_TOKEN = "fuzz-0123456789abcdef"
_MIB = 2**20
_ROUND = 2000
"""Inputs between two looks at the clock."""


def gateway_settings(tokens: Path) -> GatewayConfig:
    """Small limits, so that they are met; no rate limit, which would answer for everything else."""
    return GatewayConfig(
        http_port=0,
        grpc_port=0,
        tokens=tokens,
        max_request_bytes=4 * _MIB,
        max_request_pixels=2**20,
        read_timeout_s=_READ_TIMEOUT_S,
        requests_per_s=1e6,
        burst=10**6,
    )


def fuzz(target: Target, token_file: Path | None, inputs: int, seed: int) -> Report:
    """Bad inputs of every family, schemathesis last."""

    async def both_gateways() -> Report:
        return await Fuzz(target, token_file, seed).run(round(inputs * (1 - _SCHEMATHESIS_SHARE)))

    report = asyncio.run(both_gateways())
    url = f"http://{target.host}:{target.http_port}"
    report.merge(run_schemathesis(url, target.token, round(inputs * _SCHEMATHESIS_SHARE), seed))
    return report


def _rounds(target: Target, token_file: Path, options: argparse.Namespace) -> Report:
    """Rounds of other seeds, until there were enough inputs or the time is up."""
    report, until, number = Report(), time.monotonic() + 60 * options.minutes, 0
    while report.bad_inputs < options.inputs and time.monotonic() < until:
        report.merge(fuzz(target, token_file, min(_ROUND, options.inputs), options.seed + number))
        number += 1
        print(f"{report.bad_inputs} bad inputs, {report.good} good, {len(report.faults)} faults", file=sys.stderr)
    return report


def replicas() -> dict[str, psutil.Process]:
    """The processes of COMPASS and its gateway, by title and id."""
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        title = " ".join(process.info["cmdline"] or [])
        if title.startswith("ray::ServeReplica:compass"):
            # Behind a dot, the title names the method that runs; blanks fill it up.
            found[f"{title.split('.')[0].strip()} {process.pid}"] = process
    return found


def _mib(processes: dict[str, psutil.Process]) -> dict[str, float]:
    return {name.split()[0]: round(process.memory_info().rss / _MIB, 1) for name, process in processes.items()}


def _served(options: argparse.Namespace) -> Result:
    from services.launch.cluster import cluster, needed_cpus
    from services.launch.serving import deploy, deploy_gateway

    # Every good request has to reach the engine.
    config = load_profile(deploy_path(DEFAULT_PROFILE), ["judge.score_cache=0"])
    with tempfile.TemporaryDirectory() as folder, cluster(needed_cpus(config), None):
        tokens, token = Path(folder) / "tokens", Path(folder) / "token"
        tokens.write_text(f"fuzz {_TOKEN}\n")
        token.write_text(_TOKEN)
        settings = gateway_settings(tokens)
        deploy(config.judge, config.reward.app)
        http_port, grpc_port = deploy_gateway(settings)
        assert http_port is not None and grpc_port is not None
        target = Target(settings.host, http_port, grpc_port, settings.read_timeout_s, _TOKEN)
        before = replicas()
        # Not counted: so that memory is compared between two warm moments.
        fuzz(target, token, 200, options.seed - 1)
        started, warm = time.monotonic(), _mib(before)
        report = _rounds(target, token, options)
        seconds = time.monotonic() - started
        if (after := replicas()).keys() != before.keys():
            report.faults.append(f"replicas were {sorted(before)}, are {sorted(after)}")
        return _result(report, seconds, {"resident_mib": {"before": warm, "after": _mib(after)}, "seed": options.seed})


def _result(report: Report, seconds: float, details: dict[str, Any]) -> Result:
    counts = {"bad_inputs": report.bad_inputs, "good_requests": report.good, "seconds": round(seconds, 1)}
    faults = {"faults": report.faults[:50], "answers": report.table()}
    return Result(
        name="fuzz_reward", value=len(report.faults), unit="faults", baseline=0, details=counts | details | faults
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=22_000, help="bad inputs, about")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no round after this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", action="store_true", help="leave benchmarks/results as it is")
    options = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    result = _served(options)
    print(result.model_dump_json(indent=1))
    if not options.no_write:
        print(write_result(result))
    sys.exit(1 if result.value else 0)


if __name__ == "__main__":
    main()
