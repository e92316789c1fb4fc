"""The company under chaos: two systems, one that can be asked what became of a call and one that cannot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

KEYED, BARE = "keyed", "bare"
TEXT = {"type": "string", "maxLength": 60}
WORKED = {
    "type": "object",
    "additionalProperties": False,
    "required": ["number", "state"],
    "properties": {"number": TEXT, "state": TEXT},
}
END = {"kind": "end", "name": "Done", "outcome": "done", "output": {}}
REFUSED = {"kind": "end", "name": "Not done", "outcome": "not_done", "output": {}}
AGENT = {"kind": "agent", "role": "clerk", "answer": WORKED, "attempts": 20}
JOIN = {"kind": "join", "name": "Together"}


def posting(system: str, number: str, **more: Any) -> dict[str, Any]:
    """Return a node that posts an invoice to one of the systems."""
    arguments = {"supplier": '"S-1"', "number": number, "total": '{"minor": 12300, "currency": "EUR"}'}
    node = {"kind": "operation", "name": "Post it", "role": "clerk", "operation": f"{system}.invoice.post"}
    return {**node, "arguments": arguments, "next": "done", "refused": "refused", **more}


def without(way: str, node: dict[str, Any]) -> dict[str, Any]:
    """Return a node that does not say where it goes then: it waits for an operator."""
    return {name: fact for name, fact in node.items() if name != way}


def reading(post: str, **more: Any) -> dict[str, Any]:
    """Return a node of an agent, which posts the invoice within its task if ``post`` says so (CEL)."""
    return {**AGENT, "name": "Read it", "give": {"number": "run.key", "post": post}, "next": "done", **more}


# The number of an invoice that the system refuses for certain the first times: its run waits for an operator.
HARD = "-hard"
REFUSALS = 2
STUBBORN = "stubborn"
FORM = {"type": "object", "additionalProperties": False, "properties": {"note": TEXT}}
LOOK = {"kind": "human", "name": "Look at it", "groups": ["Approvers"], "form": FORM, "next": "done"}
# By the code of the workflow: its first node and its nodes; what stands in many of them is added below.
WORKFLOWS: dict[str, tuple[str, dict[str, Any]]] = {
    "sequence": ("read", {"read": reading("false", next="post"), "post": posting(KEYED, "run.key")}),
    STUBBORN: ("post", {"post": without("refused", posting(KEYED, f'run.key + "{HARD}"'))}),
    "within": ("read", {"read": reading("true")}),
    "blind": ("post", {"post": posting(BARE, "run.key")}),
    "branches": (
        "both",
        {
            "both": {
                "kind": "parallel",
                "name": "Side by side",
                "join": "met",
                "branches": [{"to": "read"}, {"to": "post"}, {"to": "later"}],
            },
            "read": reading("false", next="met"),
            "post": posting(KEYED, "run.key", next="met", refused="met"),
            "later": {"kind": "wait", "name": "Wait", "seconds": 2, "next": "met"},
            "met": {**JOIN, "next": "look"},
            "look": LOOK,
        },
    ),
    "items": (
        "each",
        {
            "each": {
                "kind": "map",
                "name": "One by one",
                "over": '["a", "b", "c"]',
                "do": "post",
                "join": "met",
                "most_at_once": 2,
            },
            "post": posting(KEYED, 'run.key + "-" + item', next="met", refused="met"),
            "met": {**JOIN, "next": "done"},
        },
    ),
}
# Begun by ``whole``: its runs have keys that no load has asked for.
INNER = "inner"
RETRY = {"most": 6, "wait_seconds": 1, "cap_seconds": 5}
INSIDE: dict[str, tuple[str, dict[str, Any]]] = {
    INNER: ("post", {"post": posting(KEYED, "run.key", retry=RETRY)})
}
SIGNAL = "goods-in"
WORKFLOWS["whole"] = (
    "build",
    {
        "build": {
            "kind": "sub",
            "name": "Have it posted",
            "workflow": INNER,
            "key": 'run.key + "-inner"',
            "next": "told",
        },
        "told": {
            "kind": "wait",
            "name": "Wait for the goods",
            "signal": SIGNAL,
            "timeout_seconds": 30,
            "late": "done",
            "next": "done",
        },
    },
)


def numbers_of(workflow: str, key: str) -> list[str]:
    """Return the numbers of the invoices that a run is about."""
    if workflow == "whole":
        return []  # its child posts it, and is judged like any run
    if workflow == STUBBORN:
        return [f"{key}{HARD}"]
    return [f"{key}-{item}" for item in "abc"] if workflow == "items" else [key]


@dataclass(frozen=True)
class Address:
    """What ``tests.fakes.install`` has to know of a fake that runs somewhere else."""

    url: str
    key: str


@dataclass(frozen=True)
class Company:
    """The sessions that people have in their browsers, by name, and the agents' credentials."""

    sessions: dict[str, str]
    agents: list[tuple[str, str]]


def set_up(fake_url: str, agents: int) -> Company:
    """Fill an empty database; Django is set up, and nothing of the product runs yet."""
    from audit.vocabulary import Actor
    from connectors.services import grant_operation, publish_operation
    from tests.company import person
    from tests.fakes import KEY, POST_MAPPING, POST_SCHEMA, install

    tests, reason = Actor.system("tests"), "set up for the chaos"
    alice, bob = person("alice", "Managers"), person("bob", "Approvers")
    dave = person("dave", "Operators")
    found = [_agent(alice, f"clerk-{number}") for number in range(agents)]
    limits = {"breaker_threshold": 10_000, "max_concurrent": 8}
    keyed = install(Address(fake_url, KEY), code=KEYED, **limits)  # type: ignore[arg-type]
    bare = install(Address(fake_url, KEY), code=BARE, **limits)  # type: ignore[arg-type]
    mapping = json.loads(json.dumps(POST_MAPPING))
    del mapping["request"]["body"]["reference"], mapping["read_back"]
    publish_operation(
        actor=tests,
        system=bare["system"],
        code=f"{BARE}.invoice.post",
        input_schema=POST_SCHEMA,
        mapping=mapping,
        reason=reason,
        lookup_operation=None,
        reference_field="",
    )
    for agent in found:
        for book in (keyed, bare):
            grant_operation(actor=tests, operation=book["post"], agent=agent, reason=reason)
    for code, (start, nodes) in {**INSIDE, **WORKFLOWS}.items():
        _publish(alice, bob, code, start, nodes)
    sessions = {person.username: _session(person) for person in (alice, bob, dave)}
    return Company(sessions, [_credential(agent) for agent in found])


def _session(person: Any) -> str:
    from django.test import Client

    browser = Client()
    browser.force_login(person)
    return browser.cookies["sessionid"].value


def _agent(sponsor: Any, code: str) -> Any:
    from django.contrib.auth.models import Group

    from agents.models import Agent, Department, Role
    from agents.services.lifecycle import register_agent

    department, _ = Department.objects.get_or_create(code="finance", defaults={"name": "Finance"})
    role = Role.objects.filter(code="clerk").first() or Role.objects.create(
        code="clerk", name="Clerk", group=Group.objects.create(name="Role: clerk")
    )
    agent = register_agent(
        actor=sponsor.as_actor(),
        name=code.capitalize(),
        code=code,
        purpose="Posts invoices.",
        sponsor=sponsor,
        department=department,
        role=role,
        reason="set up for the chaos",
    )
    agent.lifecycle, agent.autonomy = Agent.Lifecycle.ACTIVE, Agent.Autonomy.BY_CONTRACT
    agent.save(update_fields=["lifecycle", "autonomy"])
    return agent


def _credential(agent: Any) -> tuple[str, str]:
    from agents.services.credentials import issue_client_secret
    from audit.vocabulary import Actor

    issued = issue_client_secret(actor=Actor.system("tests"), agent=agent, reason="set up for the chaos")
    return issued.client_id, issued.secret


def _publish(alice: Any, bob: Any, code: str, start: str, nodes: dict[str, Any]) -> None:
    import yaml

    from workflows.approvals.models import Approval
    from workflows.approvals.services import cast_vote
    from workflows.runs.services import propose_version

    needs_refused = any(node.get("refused") == "refused" for node in nodes.values())
    ends = {"done": END, **({"refused": REFUSED} if needs_refused else {})}
    content = {
        "code": code,
        "name": f"Chaos: {code}",
        "owner": "Managers",
        "sla_seconds": 86400,
        "input": {"type": "object", "additionalProperties": False, "properties": {}},
        "start": start,
        "nodes": {**nodes, **ends},
    }
    text = yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False)
    propose_version(actor=alice.as_actor(), text=text, reason="set up for the chaos")
    question = Approval.objects.get(subject_kind="agents.changerequest", state="pending")
    vote = {"verdict": "approve", "reason": "read and agreed", "digest": question.digest}
    cast_vote(actor=bob.as_actor(), approval_id=question.pk, **vote)
