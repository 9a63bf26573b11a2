"""A command on a small file system of its own, which a test can fill."""

import subprocess
import sys
from pathlib import Path

import pytest

_UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]
_MOUNTED = 'mount -t tmpfs -o size="$1" none "$0" && shift && exec "$@"'


def on_tmpfs(folder: Path, size: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with these arguments, `folder` being a tmpfs that nobody else sees. Skips the test where that is not
    allowed."""
    skip_without_namespaces()
    command = [*_UNSHARE, "sh", "-c", _MOUNTED, str(folder), size, sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def skip_without_namespaces(*more: str) -> None:
    """Skip the test where no namespaces of users and mounts can be made; `more` are further options of `unshare`."""
    if subprocess.run([*_UNSHARE, *more, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
