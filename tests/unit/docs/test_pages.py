"""What pages refer to exists: links, anchors, files, defaults, alerts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_pages import PAGES, ROOT, anchors, headings, prose
from pydantic import BaseModel

from docs.generate.configuration import ROOTS
from oars.deployment import deploy_path

RESULTS = sorted((ROOT / "docs" / "results").glob("[!R]*.md"))


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def defaults(model: type[BaseModel], path: str) -> Iterator[tuple[str, Any]]:
    """(dotted name, default) of every field, nested ones included."""
    for name, field in model.model_fields.items():
        dotted = f"{path}.{name}".lstrip(".")
        value = field.get_default(call_default_factory=True)
        yield dotted, value
        if isinstance(value, BaseModel):
            yield from (
                (inner, getattr(value, inner.split(".")[-1], default)) for inner, default in nested(value, dotted)
            )


def nested(value: BaseModel, path: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value:
        yield f"{path}.{name}", inner
        if isinstance(inner, BaseModel):
            yield from nested(inner, f"{path}.{name}")


FIELDS = [pair for root in ROOTS for pair in defaults(root, "")]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)", prose(page)):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_of_the_repository_exist(page: Path) -> None:
    named = re.findall(
        r"`((?:oars|services|learner|rollout_workers|reward_server|deploy|tests|benchmarks)/[\w./-]+)`", prose(page)
    )
    missing = {name for name in named if not (ROOT / name).exists()}
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_defaults_in_prose_are_those_of_the_code(page: Path) -> None:
    """`` `field` = value `` quotes a default."""
    for name, quoted in re.findall(r"`([\w.]+)` = ([\w./-]*\w)", prose(page)):
        found = [value for dotted, value in FIELDS if dotted == name or dotted.endswith(f".{name}")]
        assert found, f"no field {name}"
        assert yaml.safe_load(quoted) in found, f"{name} is {found}"


def test_every_alert_leads_to_its_section_of_the_runbook() -> None:
    rules = yaml.safe_load(deploy_path("prometheus/oars-alerts.yaml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    sections = headings(ROOT / "docs" / "runbook.md")
    for alert in alerts:
        assert alert["alert"] in sections
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"


@pytest.mark.parametrize("page", RESULTS, ids=name_of)
def test_a_result_is_a_question_with_its_answer(page: Path) -> None:
    title, _, first, *_ = page.read_text().splitlines()
    assert title.startswith("# ") and "?" in title
    assert first.startswith("**Answer.** ")
    assert f"({page.name})" in (ROOT / "docs" / "results" / "README.md").read_text()


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    assert not [
        page.name for page in (ROOT / "docs").glob("*.md") if page.stem != "index" and f"({page.name}" not in index
    ]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 120
