"""Addresses and folders that Ray would take badly are one line, before Ray is asked."""

import tempfile
from pathlib import Path

import pytest
from tmpfs import on_tmpfs

from services.launch.addresses import NoCluster, check_temporary_folder, checked_address


@pytest.mark.parametrize("address", [None, "auto", "10.0.0.1:6379", "head.example:6379", "[::1]:6379", "ray://h:10001"])
def test_what_names_a_cluster_passes(address: str | None) -> None:
    assert checked_address(address) == address


@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "https://h", "foo", "h:port", "://x", "local", "h:1/x"])
def test_anything_else_is_told_the_form_that_is_wanted(address: str) -> None:
    with pytest.raises(NoCluster, match="expected HOST:PORT"):
        checked_address(address)


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
def test_a_folder_too_long_for_sockets_is_named_with_its_limit(name: str) -> None:
    with pytest.raises(NoCluster, match=rf"^{name}: .*too long .* at most \d+ bytes"):
        check_temporary_folder({name: "/tmp/" + 80 * "x"})


def test_a_folder_without_room_for_rays_session_is_named() -> None:
    with tempfile.TemporaryDirectory(prefix="o", dir="/tmp") as folder:  # short enough for sockets
        check = f"from services.launch.addresses import *; check_temporary_folder({{'TMPDIR': '{folder}/ray'}})"
        done = on_tmpfs(Path(folder), "5m", "-c", check)
    said = done.stderr.splitlines()[-1]
    assert f"TMPDIR: '{folder}/ray' has 5 MiB free, too little for Ray's session (64 MiB)" in said


def test_a_short_folder_for_ray_is_enough() -> None:
    check_temporary_folder({})
    check_temporary_folder({"TMPDIR": "/scratch/somebody"})
    check_temporary_folder({"TMPDIR": "/tmp/" + 80 * "x", "RAY_TMPDIR": "/tmp"})
