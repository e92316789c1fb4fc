"""The demo company's workflows are sound, and what its agents answer fits them."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.policies.schemas import argument_errors, schema_problems
from workflows.demo.company import DEPARTMENTS, ROLES
from workflows.demo.invoices.answers import ANSWERS
from workflows.demo.operations import OPERATIONS
from workflows.demo.processes import FOLDER
from workflows.runs import engine
from workflows.runs.engine.lint import Known

KNOWN = Known(
    roles={role["code"] for role in ROLES},
    departments={code for code, *_ in DEPARTMENTS},
    operations=set(OPERATIONS) | {"portal.run.start"},
    groups={"Managers", "Approvers", "Operators", "Auditors"},
    schema_problems=schema_problems,
)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_workflow_of_the_demo_company_has_no_findings(path: Path) -> None:
    definition = engine.parse(engine.read_yaml(path.read_text()))
    assert definition.code == path.stem
    assert [str(finding) for finding in engine.lint(definition, KNOWN)] == []


@pytest.mark.parametrize("node", sorted(ANSWERS))
def test_what_an_agent_may_answer_the_workflow_takes(node: str) -> None:
    definition = engine.parse(engine.read_yaml((FOLDER / "invoice-to-ledger.yaml").read_text()))
    taken = definition.nodes[node].facts["answer"]
    assert set(ANSWERS[node]["properties"]) <= set(taken["properties"])
    assert set(taken["required"]) <= set(ANSWERS[node]["required"])
    assert argument_errors(taken, {})  # an empty answer is never one
