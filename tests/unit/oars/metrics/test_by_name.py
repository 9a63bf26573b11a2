"""Metrics by pyiqa's names: one clear line where one cannot be had, and pyiqa's calling convention where it can."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from oars.metrics.by_name import NoMetric, check_metrics, lower_is_better

# The part of pyiqa's public interface that is called: list_models, create_metric, metric_mode, lower_better, call.
PYIQA = """
class Metric:
    def __init__(self, mode, lower): self.metric_mode, self.lower_better = mode, lower
    def __call__(self, image, reference=None):
        assert tuple(image.shape) == (1, 3, 8, 12) and 0 <= image.min() and image.max() <= 1
        return image.mean() if reference is None else (image - reference).abs().mean()

MODELS = {"mean": ("NR", False), "l1": ("FR", True), "absent": None}
list_models = lambda: list(MODELS)

def create_metric(name, device):
    if MODELS[name] is None: raise OSError("no weights\\nhere")
    return Metric(*MODELS[name])
"""
USE = """
import numpy as np
from oars.metrics.by_name import NoMetric, check_metrics, lower_is_better, measured_by_name
white, grey = (np.full((8, 12, 3), level, np.uint8) for level in (255, 51))
values = measured_by_name(("mean", "l1"), grey, white)
assert abs(values["mean"] - 0.2) < 1e-6 and abs(values["l1"] - 0.8) < 1e-6, values
assert lower_is_better(("mean", "l1")) == [*lower_is_better(()), "l1"]
for name in ("unknown", "absent"):
    try:
        check_metrics((name,))
    except NoMetric as error:
        print(error)
"""


def test_a_metric_of_the_panel_needs_no_name() -> None:
    with pytest.raises(NoMetric, match="'brisque' is in the panel"):
        check_metrics(("brisque",))
    assert lower_is_better(()) == ["stlpips", "niqe32", "brisque", "lattice", "added_speckle", "added_ripples", "shift"]


@pytest.mark.skipif(find_spec("pyiqa") is not None, reason="pyiqa is installed")
def test_without_pyiqa_one_line_says_so() -> None:
    with pytest.raises(NoMetric, match="'liqe' needs pyiqa, which is not installed"):
        check_metrics(("liqe",))


def test_metrics_are_called_as_pyiqa_asks(tmp_path: Path) -> None:
    (tmp_path / "pyiqa.py").write_text(PYIQA)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{USE}"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "metrics: pyiqa knows no 'unknown'",
        "metrics: 'absent' cannot be loaded: no weights here",
    ]
