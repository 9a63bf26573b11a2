"""docs/paper-map.md and docs/glossary.md name code and config fields that exist."""

import ast
import re
from typing import Any

import pytest
from doc_pages import ROOT
from pydantic import BaseModel

from docs.generate.configuration import ROOTS

TEXT = (ROOT / "docs" / "paper-map.md").read_text()
CODE = sorted(set(re.findall(r"`([\w/]+\.py):([\w.]+)`", TEXT)))
FIELDS = sorted(set(re.findall(r"`(\w+Config)\.([\w.]+)`", TEXT)))
BY_NAME = {root.__name__: root for root in ROOTS}


def names(body: list[ast.stmt]) -> dict[str, list[ast.stmt]]:
    """Functions, classes and constants defined in a body, with the bodies of the first two."""
    found: dict[str, list[ast.stmt]] = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[node.name] = node.body
        elif isinstance(node, ast.Assign):
            found |= {target.id: [] for target in node.targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize(("file", "dotted"), CODE)
def test_a_name_of_the_map_is_defined_in_its_file(file: str, dotted: str) -> None:
    body = ast.parse((ROOT / file).read_text()).body
    for name in dotted.split("."):
        assert name in names(body), f"{file} has no {dotted}"
        body = names(body)[name]


@pytest.mark.parametrize(("root", "dotted"), FIELDS)
def test_a_config_field_of_the_map_exists(root: str, dotted: str) -> None:
    model: Any = BY_NAME[root]
    for name in dotted.split("."):
        assert isinstance(model, type) and issubclass(model, BaseModel) and name in model.model_fields, dotted
        model = model.model_fields[name].annotation


@pytest.mark.parametrize("question", ["the reward", "the objective", "the sampler", "the stages"])
def test_each_of_a_strangers_questions_has_one_file(question: str) -> None:
    assert len(re.findall(rf"^\| {question} \| `[\w/]+\.py:\w+` \|$", TEXT, flags=re.MULTILINE)) == 1
