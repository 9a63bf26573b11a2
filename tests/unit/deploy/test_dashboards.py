"""Every query of the dashboards and alerts names series, and labels, that exist."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import reward_server.metrics
import rollout_workers.metrics
import services.run.prometheus
from oars.deployment import deploy_path
from oars.series import Series

OURS = reward_server.metrics.SERIES | rollout_workers.metrics.SERIES | services.run.prometheus.SERIES
# Series of Ray Serve 2.60 that a running cluster was seen to export.
SERVE = {
    "ray_serve_deployment_queued_queries": Series("gauge", ""),
    "ray_serve_replica_processing_queries": Series("gauge", ""),
    "ray_serve_deployment_error_counter": Series("counter", ""),
    "ray_serve_deployment_replica_starts": Series("counter", ""),
    "ray_serve_deployment_replica_healthy": Series("gauge", ""),
    "ray_serve_autoscaling_target_replicas": Series("gauge", ""),
    "ray_serve_replica_initialization_latency_ms": Series("histogram", ""),
    "ray_serve_health_check_failures": Series("counter", ""),
}
EXISTING = {f"ray_{name}": series for name, series in OURS.items()} | SERVE
NAMES = {name + ending for name, series in EXISTING.items() for ending in series.exported}
# Values that a query may ask for, by label.
VALUES = {"application": {"compass"}, "deployment": {"Compass"}, "SessionName": {"$session"}}
for series in OURS.values():
    for label, values in series.labels.items():
        VALUES.setdefault(label, set()).update(values)
LABELS = {*VALUES, "le", "replica"}


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
    assert named and named <= NAMES, named - NAMES
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
    missing = {name for name in services.run.prometheus.SERIES if f"ray_{name}" not in shown}
    assert not missing


def test_dashboards_are_json_with_panels_that_do_not_overlap() -> None:
    for path in deploy_path("grafana").glob("*.json"):
        taken = set[tuple[int, int]]()
        for panel in json.loads(path.read_text())["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, (path.name, panel["title"])
            taken |= cells
