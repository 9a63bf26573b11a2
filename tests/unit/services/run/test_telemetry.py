"""What a run writes line by line stays readable after a driver that died inside a line."""

import json
from pathlib import Path

from services.run.telemetry import Telemetry


def test_a_new_driver_does_not_write_into_the_line_that_the_last_one_left(tmp_path: Path) -> None:
    for name in ("metrics.jsonl", "log.jsonl"):
        (tmp_path / name).write_text('{"whole": 1}\n{"cut sho')
    for step in (1, 2):
        telemetry = Telemetry(tmp_path, "run", None)
        telemetry.step("fr_rl", step, {"loss": 1.0})
        telemetry.event("published")
        telemetry.close()
    for name in ("metrics.jsonl", "log.jsonl"):
        whole, cut, *rest = (tmp_path / name).read_text().splitlines()
        assert (whole, cut, len(rest)) == ('{"whole": 1}', '{"cut sho', 2)
        assert all(json.loads(line) for line in rest)
