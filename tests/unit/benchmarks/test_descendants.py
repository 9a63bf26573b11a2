"""What a process started is known by descent: a new title and a dead parent do not hide it."""

import subprocess
import sys
import time

import psutil

from benchmarks.descendants import descendants

_TITLED = "import time; from setproctitle import setproctitle; setproctitle('oars:orphan'); time.sleep(600)"
_PARENT = f"""
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", {_TITLED!r}], stdout=subprocess.DEVNULL).pid)
"""


def test_an_orphan_with_a_new_title_is_still_known() -> None:
    parent = subprocess.run([sys.executable, "-c", _PARENT], check=True, timeout=60, stdout=subprocess.PIPE)
    orphan = psutil.Process(int(parent.stdout))
    try:
        while not (found := descendants("oars:orphan")):
            assert orphan.is_running()
            time.sleep(0.05)
        assert found == [orphan]
    finally:
        orphan.kill()
    psutil.wait_procs([orphan], timeout=60)
    assert orphan not in descendants()
