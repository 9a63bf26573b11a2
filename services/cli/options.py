"""Options that several commands have, each with one name and one text."""

from pathlib import Path
from typing import Annotated

import typer

from services.launch.addresses import checked_address

Set = Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override one config field.")]
Address = Annotated[
    str | None,
    typer.Option(
        envvar="RAY_ADDRESS",
        callback=checked_address,
        help="Cluster to join. Default: the one on this machine, or a new one.",
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start a cluster even if one runs on this machine.")]
Runs = Annotated[Path, typer.Option(help="Folder that holds the run directories.")]
Threads = Annotated[int, typer.Option(min=1, help="torch threads.")]
