"""Imports run one way, and the config tree stays free of torch."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_import_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_package_is_under_contract_and_in_the_wheel() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert set(settings["importlinter"]["root_packages"]) == packages
    assert set(settings["hatch"]["build"]["targets"]["wheel"]["packages"]) == packages


def test_what_the_wheel_carries_of_deploy_exists() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert [source for source in wheel["force-include"] if not (ROOT / source).exists()] == []
    assert not [target for target in wheel["force-include"].values() if target.endswith(".pth")], (
        "no import hook unasked"
    )


def test_config_is_importable_without_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import oars.config; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
