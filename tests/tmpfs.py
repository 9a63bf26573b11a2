"""A command on a small file system of its own, which a test can fill."""

import subprocess
import sys
from pathlib import Path

import pytest

_ALONE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
_MOUNTED = 'mount -t tmpfs -o size="$1" none "$0" && shift && exec "$@"'


def on_tmpfs(folder: Path, size: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with these arguments, `folder` being a tmpfs that nobody else sees. Skips the test where that is not
    allowed."""
    if subprocess.run([*_ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here, so no tmpfs can be mounted")
    command = [*_ALONE, _MOUNTED, str(folder), size, sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
