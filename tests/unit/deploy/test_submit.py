"""deploy/job/submit.sh with the tools of any system, and with what a company's shell has in its environment."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from oars.deployment import deploy_path

SUBMIT = deploy_path("job/submit.sh")
# Answers with what `ray job submit` was given; mktemp knows the one short option that all systems have.
RAY = """#!/bin/sh
echo "no_proxy=$no_proxy"; echo "http_proxy=$http_proxy"
while [ $# -gt 0 ]; do [ "$1" = --runtime-env ] && cat "$2"; shift; done
"""
MKTEMP = """#!/bin/sh
case "$*" in -d) exec /usr/bin/env -i /bin/mktemp -d;; *) echo "mktemp: illegal option" >&2; exit 1;; esac
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    for name, text in {"ray": RAY, "mktemp": MKTEMP}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


@pytest.mark.parametrize("home", [None, "/shared/oars"])
def test_the_environment_of_a_job_is_whole(home: str | None, path: str) -> None:
    environment = {"PATH": path, "http_proxy": "http://127.0.0.1:9"} | ({"OARS_HOME": home} if home else {})
    environment["RAY_API_SERVER_ADDRESS"] = "http://head.example:8265/"
    command = ["bash", str(SUBMIT), "deploy/profiles/tiny.yaml", "--run-id", "first"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    no_proxy, http_proxy, recipe = done.stdout.split("\n", 2)
    assert (no_proxy, http_proxy) == ("no_proxy=head.example", "http_proxy=http://127.0.0.1:9")
    assert yaml.safe_load(recipe)["env_vars"].get("OARS_HOME") == home
