"""Loading bars of libraries stay off the terminal, unless the user wants them, and Serve's narration does."""

import subprocess
import sys

import pytest

BAR = "import sys; from services.run.quiet import quiet_libraries; quiet_libraries(); import tqdm; list(tqdm.tqdm([1]))"


@pytest.mark.parametrize(("environment", "bars"), [({}, False), ({"TQDM_DISABLE": ""}, True)])
def test_a_bar_of_a_library_is_not_shown(
    environment: dict[str, str], bars: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shown = subprocess.run([sys.executable, "-c", BAR], capture_output=True, text=True, check=True).stderr
    assert ("it/s" in shown) is bars


def test_serve_warns_and_does_not_narrate() -> None:
    """Though whoever imports Serve later gets its own settings."""
    code = (
        "from services.launch.cluster import quiet_ray; quiet_ray(); import ray.serve; from logging import getLogger; "
        "said = getLogger('ray.serve'); said.info('narrated'); said.warning('warned')"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert "warned" in shown and "narrated" not in shown


def test_clients_of_a_deployment_wait_a_second_for_a_busy_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve sends its router's class by value, with the deadline of the process that deploys."""
    monkeypatch.delenv("RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S", raising=False)
    code = (
        "from services.launch.cluster import quiet_ray; quiet_ray(); from ray.serve.config import RequestRouterConfig; "
        "print(RequestRouterConfig().get_request_router_class().queue_len_response_deadline_s)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(shown) == 1.0
