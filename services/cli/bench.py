"""`oars bench reward`: load COMPASS through one of its gateways, and measure it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from oars.config import load_profile
from oars.deployment import DEFAULT_PROFILE, deploy_path
from oars.files import check_folder
from reward_server.checkpoint import find_judge
from services.launch.addresses import checked_address

app = typer.Typer(help="Load a service and measure it.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Load a service and measure it."""


@app.command()
def reward(
    endpoint: Annotated[
        str | None,
        typer.Option(help="grpc://host:port, http://host:port ... Default: by deployment handle, in the cluster."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Closed loop: requests under way at any time.")] = 4,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Open loop instead: requests a second, whether answered or not.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Seconds during which requests are started.")] = 30,
    candidates: Annotated[int | None, typer.Option(min=1, help="K. Default: the profile's.")] = None,
    side: Annotated[int | None, typer.Option(min=64, help="Pixels of a candidate's side. Default: the crop.")] = None,
    repeat: Annotated[float, typer.Option(min=0, max=0.95, help="Share of requests that repeat another.")] = 0,
    profile: Annotated[Path | None, typer.Option(help="Run profile, YAML. Default: tiny.")] = None,
    address: Annotated[
        str,
        typer.Option(
            envvar="RAY_ADDRESS",
            callback=checked_address,
            help="Cluster of the handle. Default: this machine's, or a new one.",
        ),
    ] = "auto",
    output: Annotated[Path | None, typer.Option(help="Folder to write bench_reward.json into.")] = None,
) -> None:
    """Load COMPASS and print latencies, pairs a second, shed rate, batch sizes and cache hits."""
    overrides = [f"reward.endpoint={endpoint}"] if endpoint else None
    config = load_profile(profile or deploy_path(DEFAULT_PROFILE), overrides)
    if output is not None:
        check_folder(output)
    if config.reward.endpoint is None and address == "auto":  # the cluster is this machine's: so are the files
        find_judge(config.judge)

    from services.bench.measure import Plan, measure, result
    from services.bench.requests import Groups
    from services.bench.result import write_result
    from services.bench.table import load_table

    groups = Groups(config.data, side or config.data.crop, candidates or config.rollout.candidates, repeat)
    plan = Plan(config.reward, config.judge, groups, seconds, concurrency, rate)
    if config.reward.endpoint is not None:
        measured = asyncio.run(measure(plan))
    else:
        from services.launch.cluster import cluster, deploy_compass, needed_cpus

        with cluster(needed_cpus(config), address):
            deploy_compass(config)
            measured = asyncio.run(measure(plan))
    Console().print(load_table(measured.account, measured.engine))
    if output is not None:
        typer.echo(f"written: {write_result(result(plan, measured), output)}")
