"""Every query of the dashboards and alerts names series, and labels, that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from oars.alignment.drops import DropReason
from oars.compass.outcome import FailureReason
from oars.deployment import deploy_path
from reward_server.metrics import ANSWER_SOURCES, OUTCOMES, RETRY_REASONS, TOKEN_SOURCES
from services.run.prometheus import GAUGES, HISTOGRAMS, LOSS_PARTS, PHASES

ROOT = Path(__file__).parents[3]
SOURCES = ("services/run/prometheus.py", "reward_server/metrics.py", "rollout_workers/worker.py")
# Series of Ray Serve 2.60 that a running cluster was seen to export; histograms by their stem.
SERVE = {
    "ray_serve_deployment_queued_queries": "gauge",
    "ray_serve_replica_processing_queries": "gauge",
    "ray_serve_deployment_error_counter": "counter",
    "ray_serve_deployment_replica_starts": "counter",
    "ray_serve_deployment_replica_healthy": "gauge",
    "ray_serve_autoscaling_target_replicas": "gauge",
    "ray_serve_replica_initialization_latency_ms": "histogram",
    "ray_serve_health_check_failures": "counter",
}
ENDINGS = {"gauge": ("",), "counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
# Values that a query may ask for, by label.
VALUES = {
    "phase": set(PHASES),
    "exit": {"trained", *DropReason},
    "outcome": set(OUTCOMES) | {"scored", *FailureReason},
    "reason": set(RETRY_REASONS),
    "source": {*TOKEN_SOURCES, *ANSWER_SOURCES},
    "part": set(LOSS_PARTS),
    "application": {"compass"},
    "deployment": {"Compass"},
    "SessionName": {"$session"},
}
LABELS = {*VALUES, "le", "worker", "role", "replica"}


def existing_series() -> set[str]:
    kinds = dict(SERVE)
    for source in SOURCES:
        text = (ROOT / source).read_text()
        # Either the name stands in the call, or in the line before it.
        for kind, name in re.findall(r'\b(Gauge|Counter|Histogram)\(\s*"(oars_\w+)"', text):
            kinds[f"ray_{name}"] = kind.lower()
        for name in re.findall(r'name = "(oars_\w+)"\n\s+\S+ = seeded_counter\(name', text):
            kinds[f"ray_{name}"] = "counter"
    kinds |= {f"ray_oars_{name}": "gauge" for name in GAUGES} | {f"ray_oars_{name}": "histogram" for name in HISTOGRAMS}
    return {name + ending for name, kind in kinds.items() for ending in ENDINGS[kind]}


def queries(tree: Any) -> Iterator[str]:
    """Each `expr`, wherever it stands, and the queries of variables."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in ("expr", "query") and isinstance(value, str) and value != "prometheus":
                yield value
            else:
                yield from queries(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from queries(item)


FILES = [*sorted(deploy_path("grafana").glob("*.json")), *sorted(deploy_path("prometheus").glob("*.yaml"))]
ALL = [(path.name, query) for path in FILES for query in queries(yaml.safe_load(path.read_text()))]


@pytest.mark.parametrize(("file", "query"), ALL)
def test_a_query_names_what_exists(file: str, query: str) -> None:
    named = set(re.findall(r"\bray_\w+", query))
    assert named and named <= existing_series(), named - existing_series()
    for label, value in re.findall(r'(\w+)=~?"([^"]*)"', query):
        assert set(value.split("|")) <= VALUES[label], (label, value)
    for grouped in re.findall(r"\b(?:by|on) \(([^)]*)\)", query):
        assert {label.strip() for label in grouped.split(",")} <= LABELS, grouped
    assert all(query.count(opening) == query.count(closing) for opening, closing in ("()", "{}", "[]"))


def test_each_histogram_is_read_as_one_and_each_counter_by_its_rate() -> None:
    for _, query in ALL:
        if query.startswith("label_values"):
            continue
        for name, range_ in re.findall(r"(ray_\w+_(?:total|bucket|count|sum))(?:\{[^}]*\})?(\[)?", query):
            # The start-up latency is a mean over all replicas ever started, not a rate.
            assert range_ or "initialization_latency" in name, query


def test_every_series_of_the_run_is_on_a_dashboard() -> None:
    shown = " ".join(query for _, query in ALL)
    missing = {name for name in (*GAUGES, *HISTOGRAMS) if f"ray_oars_{name}" not in shown}
    assert not missing


def test_dashboards_are_json_with_panels_that_do_not_overlap() -> None:
    for path in deploy_path("grafana").glob("*.json"):
        taken = set[tuple[int, int]]()
        for panel in json.loads(path.read_text())["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, (path.name, panel["title"])
            taken |= cells
