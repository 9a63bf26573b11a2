"""`oars serve`: COMPASS as a Ray Serve application, in a cluster that runs or in one of its own.

In a cluster that it joined, the application stays when the command returns. A cluster of its own ends with the command.
`oars serve` alone deploys; its sub-commands act on what is deployed.
"""

import secrets
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from oars.config import JudgeConfig, load_profile
from oars.deployment import DEFAULT_PROFILE, deploy_path
from oars.miniature import MINIATURE
from reward_server.checkpoint import find_judge
from reward_server.errors import BadSetting
from services.cli.options import Address, Fresh
from services.launch.addresses import checked_address
from services.launch.serving import (
    check_gateway,
    check_ports_free,
    deploy,
    deploy_gateway,
    endpoints,
    gateway_config,
)

Running = Annotated[str, typer.Option(envvar="RAY_ADDRESS", callback=checked_address, help="The cluster.")]

app = typer.Typer(help="Deploy COMPASS, or act on the one that is deployed.")


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    profile: Annotated[
        Path | None, typer.Option(help="Run profile, YAML; its `judge` is served. Default: tiny.")
    ] = None,
    judge: Annotated[str | None, typer.Option(help="Judge directory, in place of the profile's.")] = None,
    address: Address = None,
    fresh: Fresh = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    http_port: Annotated[int | None, typer.Option(help="HTTP port. Default: 8000; 0: any free one.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="gRPC port. Default: 9000; 0: any free one.")] = None,
    tokens: Annotated[Path | None, typer.Option(help="File with lines `name token [expires]`.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Certificate chain (PEM): TLS only.")] = None,
    key: Annotated[Path | None, typer.Option(help="Private key (PEM) of the certificate.")] = None,
) -> None:
    """Deploy COMPASS, wait until it is warm, and say where it listens."""
    if context.invoked_subcommand is not None:
        return
    overrides = None if judge is None else [f"judge.path={judge}"]
    config = load_profile(profile or deploy_path(DEFAULT_PROFILE), overrides)
    find_judge(config.judge)
    gateway = gateway_config(
        app=config.reward.app,
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        tokens=tokens and tokens.absolute(),
        certificate=certificate and certificate.absolute(),
        key=key and key.absolute(),
    )
    check_gateway(gateway)

    # Ray takes a second to import: after the input is known to be good.
    from services.launch.cluster import cluster, needed_cpus
    from services.launch.placement import check_node, judge_need, this_node

    def before_start() -> None:
        check_ports_free(gateway)  # in a cluster that is there, an earlier gateway is expected
        check_node({"judge": judge_need(config.judge)}, this_node())

    where, deadline = None if fresh else address or "auto", config.control.start_deadline_s
    with cluster(needed_cpus(config), where, deadline, before_start) as joined:
        deploy(config.judge, config.reward.app, config.control.start_deadline_s)
        ports = deploy_gateway(gateway)
        typer.echo(f"COMPASS is ready: application {config.reward.app!r}, {' and '.join(endpoints(gateway, ports))}")
        if joined.own_head:
            typer.echo("Ctrl-C ends it, and the cluster that was started for it")
            _wait_for_interrupt()


@app.command()
def scale(
    min_replicas: Annotated[int, typer.Argument(min=1, help="Replicas, at least.", show_default=False)],
    max_replicas: Annotated[
        int | None, typer.Argument(help="Replicas, at most. Default: the minimum.", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option("--app", help="Serve application.")] = "compass",
    address: Running = "auto",
) -> None:
    """Change the number of replicas while COMPASS serves; replicas that stay are not touched."""
    if max_replicas is not None and max_replicas < min_replicas:
        raise BadSetting(f"max replicas {max_replicas} is less than min replicas {min_replicas}")
    from services.launch import scaling
    from services.launch.cluster import connected

    with connected(address):
        scaling.scale(name, min_replicas, max_replicas or min_replicas)
        typer.echo(f"{name}: {min_replicas} to {max_replicas or min_replicas} replicas")


@app.command()
def replace(
    judge: Annotated[str, typer.Option(help="Directory of the new judge, or `miniature`.", show_default=False)],
    name: Annotated[str, typer.Option("--app", help="Serve application.")] = "compass",
    address: Running = "auto",
) -> None:
    """Serve another judge, replica by replica: the new one is warm before the old one leaves."""
    judge = judge if judge == MINIATURE else str(Path(judge).absolute())
    find_judge(JudgeConfig(path=judge))
    from services.launch import scaling
    from services.launch.cluster import connected

    with connected(address):
        scaling.replace_judge(name, judge)
        typer.echo(f"{name}: judge {scaling.reports(name)[0].judge_digest[:12]} from {judge}")


@app.command("self-test")
def self_test(
    judge: Annotated[Path, typer.Argument(help="Judge directory.", show_default=False)],
) -> None:
    """Write a judge's self-test: readings of known pictures that a replica has to reproduce before it is ready."""
    from oars.compass.self_test import write_self_test
    from reward_server.checkpoint import judge_directory

    typer.echo(write_self_test(judge_directory(str(judge))))


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="The client's name; one word.", show_default=False)],
    days: Annotated[int, typer.Option(min=1, help="Days until the token expires.")] = 90,
) -> None:
    """Print a new line for a token file; its second word is the secret that the client sends."""
    expires = datetime.now(UTC) + timedelta(days=days)
    typer.echo(f"{name} {secrets.token_urlsafe(32)} {expires.isoformat(timespec='seconds')}")


def _wait_for_interrupt() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        typer.echo("stopping")
