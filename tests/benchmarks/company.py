"""The company of a measurement: a manager, an approver, some agents, and the workflows that are run."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import Group

from agents.models import Agent, Department, Role, User
from audit.vocabulary import Actor
from connectors.models import Operation
from connectors.services import grant_operation
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.runs import services

WHY = "set up for a measurement"
STEPS = 5
ACTOR = Actor.system("benchmark")
END = {"kind": "end", "name": "Done", "outcome": "done"}


def settle(*, agents: int = 4) -> None:
    """Hire everybody; publish ``passing`` (five nodes that need nobody) and ``governed`` (five operations)."""
    manager, approver = _person("manager", "Managers"), _person("approver", "Approvers")
    role = _role()
    find = Operation.objects.get(code="portal.run.find")
    for number in range(agents):
        grant_operation(actor=ACTOR, operation=find, agent=_agent(manager, role, number), reason=WHY)
    passing = {"kind": "branch", "name": "Pass"}
    governed = {
        "kind": "operation",
        "name": "Look up",
        "role": "bookkeeper",
        "operation": "portal.run.find",
        "arguments": {"workflow": '"governed"', "key": "run.key"},
    }
    human = {
        "kind": "human",
        "name": "Look",
        "groups": ["Operators"],
        "form": {"type": "object", "additionalProperties": False, "properties": {"ok": {"type": "boolean"}}},
    }
    for code, node, steps in (("passing", passing, STEPS), ("governed", governed, STEPS), ("asking", human, 1)):
        _publish(manager, approver, code, node, steps)


def _person(name: str, group: str) -> User:
    user = User.objects.create_user(
        name, f"{name}@company.example", "not used 4711", first_name=name.capitalize()
    )
    user.groups.set([Group.objects.get_or_create(name=group)[0]])
    return user


def _role() -> Role:
    Department.objects.get_or_create(code="finance", defaults={"name": "Finance"})
    group = Group.objects.create(name="role: bookkeeper")
    return Role.objects.create(code="bookkeeper", name="Bookkeeper", group=group)


def _agent(sponsor: User, role: Role, number: int) -> Agent:
    user = User(username=f"robo{number}", kind=User.Kind.AGENT, first_name=f"Robo {number}")
    user.set_unusable_password()
    user.save()
    user.groups.add(role.group)
    return Agent.objects.create(
        user=user,
        name=f"Robo {number}",
        code=f"robo{number}",
        purpose="Is measured.",
        sponsor=sponsor,
        department=Department.objects.get(code="finance"),
        role=role,
        lifecycle=Agent.Lifecycle.ACTIVE,
        autonomy=Agent.Autonomy.BY_CONTRACT,
    )


def _publish(manager: User, approver: User, code: str, node: dict[str, Any], steps: int) -> None:
    nodes: dict[str, Any] = {"done": END}
    for number in range(1, steps + 1):
        to = f"step{number + 1}" if number < steps else "done"
        way: Any = [{"to": to}] if node["kind"] == "branch" else to
        nodes[f"step{number}"] = {**node, "next": way}
        if node["kind"] == "operation":
            nodes[f"step{number}"]["refused"] = "done"
    content = {
        "code": code,
        "name": code.capitalize(),
        "purpose": "Is measured.",
        "owner": "Managers",
        "input": {"type": "object", "additionalProperties": False, "properties": {}},
        "start": "step1",
        "nodes": nodes,
    }
    services.propose_version(actor=manager.as_actor(), text=json.dumps(content), reason=WHY)
    question = Approval.objects.get(subject_kind="agents.changerequest", state="pending")
    cast_vote(
        actor=approver.as_actor(),
        approval_id=question.pk,
        verdict="approve",
        reason=WHY,
        digest=question.digest,
    )
