"""The published JSON Schema is current, and says the same as the parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.harness import ROOT
from tests.workflows.engine.build import content, node
from workflows.runs import engine
from workflows.runs.management.commands.write_workflow_schema import schema_text

FILE = ROOT / "docs" / "workflow.schema.json"


def test_the_file_in_docs_is_current() -> None:
    assert FILE.read_text() == schema_text(), "run: manage.py write_workflow_schema"


def test_it_is_a_schema_and_takes_the_workflows_of_the_demo_company() -> None:
    schema = json.loads(FILE.read_text())
    Draft202012Validator.check_schema(schema)
    for path in (ROOT / "workflows" / "demo" / "workflows").glob("*.yaml"):
        assert not list(Draft202012Validator(schema).iter_errors(engine.read_yaml(path.read_text())))


@pytest.mark.parametrize(
    "written",
    [
        content(a=node("agent", next="done")),
        content(a=node("agent", next="done", surprise=1)),
        content(a=node("robot", next="done")),
        content(a=node("wait", next="done")),
        {},
    ],
)
def test_it_says_the_same_as_the_parser(written: dict[str, Any]) -> None:
    by_file = Draft202012Validator(json.loads(FILE.read_text())).is_valid(written)
    try:
        engine.parse(written)
    except engine.DefinitionError:
        assert not by_file
    else:
        assert by_file
