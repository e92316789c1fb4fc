"""One agent's whole life, from the first day to the last. The best introduction to what the portal is for.

Alice manages, Bob approves, Dave operates, Carol audits; Robo is an agent. Robo's own side is HTTP with a token
and nothing else; the people's side is the services that the pages and the API call.
"""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from agents.models import Agent, Certificate, ChangeRequest, Department, Policy, Role
from agents.services import credentials, lifecycle, policies, probation
from agents.services.handing_over import Settlement
from audit.models import Event
from audit.visibility import visible_to
from audit.vocabulary import Refusal
from connectors.services import grant_operation
from tests.fakes import arguments
from tests.workflows.conftest import book, fake, hints, inline_pool
from workflows.actions.selectors import violations
from workflows.approvals import services as approvals
from workflows.approvals.models import Approval

__all__ = ["book", "fake", "hints", "inline_pool"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("inline_pool", "hints")]


class Robo:
    """The agent's process: it knows an address and a credential, and no password of any system."""

    def __init__(self, client_id: str, secret: str) -> None:
        self.credential = {"client_id": client_id, "client_secret": secret}

    def token(self) -> Any:
        """Trade the credential for a token of five minutes."""
        form = urlencode({"grant_type": "client_credentials", **self.credential})
        return Client().post("/oauth/token", form, content_type="application/x-www-form-urlencoded")

    def post_invoice(self, number: str, minor: int) -> Any:
        """Ask the portal to post an invoice of so many cents."""
        bearer = f"Bearer {self.token().json()['access_token']}"
        body = {"operation": "fake.invoice.post", "arguments": arguments(number, minor)}
        headers = {"Authorization": bearer, "Idempotency-Key": str(uuid.uuid4())}
        return Client().post("/api/v1/actions", body, content_type="application/json", headers=headers)

    def look(self, url: str) -> Any:
        """Read what became of an action."""
        return (
            Client().get(url, headers={"Authorization": f"Bearer {self.token().json()['access_token']}"}).json()
        )


def vote(person: Any, approval: Approval, verdict: str, reason: str) -> None:
    approvals.cast_vote(
        actor=person.as_actor(),
        approval_id=approval.pk,
        verdict=verdict,
        reason=reason,
        digest=approval.digest,
    )


def question_about(kind: str, key: str) -> Approval:
    return Approval.objects.get(subject_kind=kind, subject_id=key, state="pending")


def test_one_agents_whole_life(alice: Any, bob: Any, carol: Any, dave: Any, book: Any, fake: Any) -> None:
    # Monday. Alice takes Robo on, says what it may use, and writes its contract.
    robo = lifecycle.register_agent(
        actor=alice.as_actor(),
        name="Robo",
        code="robo-payables",
        purpose="Posts supplier invoices.",
        sponsor=alice,
        department=Department.objects.create(code="payables", name="Payables"),
        role=Role.objects.create(
            code="payables", name="Payables clerk", group=Group.objects.create(name="Role: payables clerk")
        ),
        autonomy=Agent.Autonomy.BY_CONTRACT,
        reason="We get forty invoices a day",
    )
    grant_operation(actor=alice.as_actor(), operation=book["post"], agent=robo, reason="It is the job")
    policies.create_rule(
        actor=alice.as_actor(),
        policy=Policy.objects.get(code="company"),
        content={
            "name": "Large invoices",
            "operations": "*.invoice.post",
            "field": "amount",
            "comparison": "above",
            "value": "10000.00",
            "verdict": "hold",
            "mode": "enforced",
        },
        reason="A person looks at what is large",
    )

    # Nobody puts an agent to work alone: what Alice asked for, Bob approves.
    change = lifecycle.activate_agent(actor=alice.as_actor(), agent=robo, reason="Ready to start")
    vote(bob, question_about("agents.changerequest", str(change.pk)), "approve", "Its grants fit the job")
    robo.refresh_from_db()
    assert robo.lifecycle == "active"
    issued = credentials.issue_client_secret(actor=alice.as_actor(), agent=robo, reason="For its process")
    process = Robo(issued.client_id, issued.secret)

    # It begins on probation: a person approves even a small invoice, until two people agree that this ends.
    first = process.post_invoice("RE-0", 100)
    assert (first.status_code, first.json()["code"]) == (202, "probation_hold")
    vote(bob, question_about("actions.action", first.json()["id"]), "approve", "Its first one")
    promotion = probation.propose_promotion(actor=alice.as_actor(), agent=robo, reason="It works well")
    assert promotion.payload["evidence"]["asked"] == 1
    vote(bob, question_about("agents.changerequest", str(promotion.pk)), "approve", "I have seen its work")

    # Tuesday. A small invoice is posted, read back and confirmed; nobody is asked.
    small = process.post_invoice("RE-1", 12_300)
    assert (small.status_code, small.json()["state"], small.json()["outcome"]) == (201, "confirmed", "agrees")

    # A large one waits for a person, and is posted once Bob has looked at it.
    large = process.post_invoice("RE-2", 1_250_000)
    assert (large.status_code, large.json()["state"]) == (202, "held")
    vote(bob, question_about("actions.action", large.json()["id"]), "approve", "Checked against the order")
    assert process.look(large.json()["url"])["state"] in ("authorized", "confirmed")

    # A third is rejected, and Robo learns why.
    third = process.post_invoice("RE-3", 9_900_000)
    vote(bob, question_about("actions.action", third.json()["id"]), "reject", "We never ordered that")
    learned = process.look(third.json()["url"])
    assert learned["state"] == "rejected"
    assert "We never ordered that" in str(learned)

    # Wednesday. Alice wants fewer questions: loosening waits for a second person, tightening does not.
    rule = Policy.objects.get(code="company").rules.get(name="Large invoices")
    looser = policies.propose_rule_change(
        actor=alice.as_actor(), rule=rule, changes={"value": "20000.00"}, reason="Too many questions"
    )
    assert not looser.applied
    vote(bob, question_about("agents.changerequest", str(looser.change_request.pk)), "reject", "Not this month")
    tighter = policies.propose_rule_change(
        actor=alice.as_actor(), rule=rule, changes={"value": "5000.00"}, reason="An audit is coming"
    )
    assert tighter.applied
    assert process.post_invoice("RE-4", 600_000).json()["state"] == "held"

    # Thursday. Something looks wrong: Dave pauses Robo, and the next call is refused. Alice lets it go on.
    lifecycle.pause_agent(actor=dave.as_actor(), agent=robo, reason="It posts what it should not")
    refused = process.post_invoice("RE-5", 12_300)
    assert (refused.status_code, refused.json()["code"]) == (403, "agent_paused")
    robo.refresh_from_db()
    lifecycle.lift_brake(actor=alice.as_actor(), agent=robo, reason="It was a wrong price list")
    assert process.post_invoice("RE-6", 12_300).json()["state"] == "confirmed"

    # Friday. Robo retires. What it has open is settled first; its credential opens nothing any more.
    robo.refresh_from_db()
    why = "The job is done by another system"
    with pytest.raises(Refusal) as refusal:
        lifecycle.retire_agent(actor=alice.as_actor(), agent=robo, reason=why)
    left = {item["key"]: Settlement(reason=why) for item in refusal.value.detail["open"]}
    lifecycle.retire_agent(actor=alice.as_actor(), agent=robo, reason=why, settled=left)
    assert process.token().status_code == 401

    # Carol reads all of it in the ledger, in order, and every invariant holds.
    ledger = Event.objects.filter(visible_to(carol), agent_id=str(robo.pk)).order_by("pk")
    told = [event.verb for event in ledger]
    life = ["agents.agent_registered", "agents.agent_activated", "agents.agent_paused"]
    life += ["agents.brake_lifted", "agents.agent_retired"]
    kept = [it.kind for it in Certificate.objects.filter(agent=robo).order_by("issued_at")]
    assert kept == ["activation", "promotion", "retirement"]
    assert [verb for verb in told if verb in life] == life
    assert ChangeRequest.objects.filter(state="pending").count() == 0
    assert fake.count() >= 2
    assert violations() == []
