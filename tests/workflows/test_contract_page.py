"""The contract of an agent on the real database: read by whom, signed as it was read, changed since."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from agents.models import Agent, ContractSignature
from agents.selectors import contract_of, signing_of
from agents.services import contracts, throttles
from audit.models import Event, Payload
from audit.vocabulary import Actor, Refusal
from tests.workflows.conftest import hold_above, limit, signed_in
from tests.workflows.test_openapi import assert_described, description_for

WHY = "Read it with the team"

pytestmark = pytest.mark.django_db


@pytest.fixture
def sponsor(clerk: Agent, mallory: Any) -> Any:
    """Somebody with no right but that of answering for the agent."""
    Agent.objects.get(pk=clerk.pk)
    clerk.sponsor = mallory
    clerk.save(update_fields=["sponsor"])
    return mallory


def sign(who: Any, agent: Agent, digest: str = "", reason: str = WHY) -> ContractSignature:
    digest = digest or contract_of(agent).digest
    return contracts.sign_contract(actor=who.as_actor(), agent=agent, digest=digest, reason=reason)


def refused(who: Any, agent: Agent, **said: str) -> str:
    with pytest.raises(Refusal) as found:
        sign(who, agent, **said)
    return found.value.code


def browser(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(user: Any, agent: Agent) -> str:
    answer = browser(user).get(reverse("agent-contract", args=[agent.pk]))
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def test_the_contract_is_what_the_database_says(clerk: Agent, alice: Any) -> None:
    hold_above(1_000_000)
    limit("a_day", 20, name="Invoices a day")
    text = page(alice, clerk)
    for words in (
        f"{clerk.name} works as Bookkeeper in Finance.",
        "Invoices above 10,000.00 EUR need a person.",
        "One person of Approvers must agree.",
        "From: Company rules, for the whole company",
        "Invoices a day: at most 20 per day.",
        "Nobody has signed it yet.",
    ):
        assert words in text
    assert "amount &gt;" not in text


def test_the_sponsor_signs_exactly_what_was_read(clerk: Agent, sponsor: Any) -> None:
    digest = contract_of(clerk).digest
    found = sign(sponsor, clerk)
    assert (found.capacity, found.digest, found.signer) == ("sponsor", digest, sponsor)
    assert "answers for it." in found.text
    event = Event.objects.get(verb="agents.contract_signed")
    assert (event.reason, event.agent_id) == (WHY, str(clerk.pk))
    assert Payload.objects.get(event=event).data["digest"] == digest
    assert f"Signed by {found.signer_label} as its sponsor on" in page(sponsor, clerk)
    assert refused(sponsor, clerk) == "already_signed"


def test_what_moved_on_meanwhile_is_not_signed(clerk: Agent, alice: Any) -> None:
    digest = contract_of(clerk).digest
    hold_above(1_000_000)
    assert refused(alice, clerk, digest=digest) == "contract_changed"
    body = {"digest": digest, "reason": WHY}
    answer = browser(alice).post(reverse("agent-contract-sign", args=[clerk.pk]), body)
    assert answer.status_code == 409
    assert "no longer what you read" in answer.content.decode()
    assert not ContractSignature.objects.exists()
    answer = signed_in(alice).post(f"/api/v1/agents/{clerk.pk}/contract/sign", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "contract_changed")


def test_what_changed_since_is_told_in_sentences(clerk: Agent, alice: Any) -> None:
    sign(alice, clerk)
    held = hold_above(1_000_000)
    text = page(alice, clerk)
    assert "Changed since it was signed" in text
    assert "<ins>Invoices above 10,000.00 EUR need a person." in text
    sign(alice, clerk)
    assert "Changed since it was signed" not in page(alice, clerk)
    held.delete()
    assert signing_of(clerk, contract_of(clerk)).current, "what was signed once is signed again"


def test_a_throttle_changes_it_too(clerk: Agent, alice: Any) -> None:
    sign(alice, clerk)
    throttles.add_throttle(
        actor=alice.as_actor(),
        name="Calls of it",
        scope_kind="agent",
        scope_id=clerk.code,
        content={"most_at_once": 5},
        reason=WHY,
    )
    changed = signing_of(clerk, contract_of(clerk)).changed
    assert changed.added == ("Calls of it: at most 5 at once. What is more waits for its turn.",)


def test_who_may_not_sign_is_refused(clerk: Agent, sponsor: Any, bob: Any, dave: Any, carol: Any) -> None:
    for who in (bob, dave, carol):
        assert refused(who, clerk) == "permission_missing"
        assert "Sign it" not in page(who, clerk)
    assert refused(clerk.user, clerk) == "agents_refused"
    with pytest.raises(Refusal) as found:
        contracts.sign_contract(
            actor=Actor.system("clock"), agent=clerk, digest=contract_of(clerk).digest, reason=WHY
        )
    assert found.value.code == "person_required"
    assert refused(sponsor, clerk, reason="no") == "reason_missing"
    Agent.objects.filter(pk=clerk.pk).update(lifecycle="retired")
    assert refused(sponsor, clerk) == "agent_retired"


def test_a_signature_gives_no_right(clerk: Agent, sponsor: Any) -> None:
    before = contract_of(clerk)
    sign(sponsor, clerk)
    assert contract_of(clerk) == before
    assert not sponsor.has_perm("agents.lift_brake", clerk)


def test_the_database_keeps_a_signature_as_it_was_made(clerk: Agent, alice: Any) -> None:
    found = sign(alice, clerk)
    row = ContractSignature.objects.filter(pk=found.pk)
    for change in (lambda: row.update(reason="another"), lambda: row._raw_delete("default")):
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            change()
    forged = {"agent": clerk, "signer": clerk.user, "capacity": "sponsor", "digest": "0" * 64, "content": {}}
    with pytest.raises(IntegrityError, match="only people sign"), transaction.atomic():
        ContractSignature.objects.create(**forged)


def test_an_agent_reads_its_own_and_not_who_stands_behind_it(clerk: Agent, alice: Any, bob: Any) -> None:
    clerk.deputy = bob
    clerk.save(update_fields=["deputy"])
    sign(alice, clerk, reason="Between us people")
    answer = signed_in(clerk.user).get("/api/v1/me/contract")
    assert answer.json()["digest"] == contract_of(clerk).digest
    assert (answer.json()["is_signed"], answer.json()["signatures"]) == (True, [])
    for hidden in ("Bob", "Between us", "bob"):
        assert hidden not in answer.content.decode()
    people = signed_in(alice).get(f"/api/v1/agents/{clerk.pk}/contract")
    assert people.json()["signatures"][0]["reason"] == "Between us people"
    assert "Bob answers for it when" in people.content.decode()
    document = description_for(alice)
    assert_described(document, "/api/v1/me/contract", "get", answer)
    assert_described(document, "/api/v1/agents/{id}/contract", "get", people)
    mine = signed_in(alice).get("/api/v1/me/contract")
    assert (mine.status_code, mine.json()["code"]) == (404, "no_contract")


def test_who_may_not_see_the_agent_reads_nothing(clerk: Agent, mallory: Any) -> None:
    for name in ("agent-contract", "agents-api:agent-contract"):
        assert browser(mallory).get(reverse(name, args=[clerk.pk])).status_code == 404
    assert signed_in(mallory).get(f"/api/v1/agents/{clerk.pk}/contract").status_code == 404


def test_hostile_words_stay_words(clerk: Agent, alice: Any) -> None:
    clerk.purpose = '<script>alert(1)</script><div hx-get="/live/">'
    clerk.save(update_fields=["purpose"])
    sign(alice, clerk, reason="<b>mine</b> it is")
    text = page(alice, clerk)
    assert "<script>alert" not in text
    assert "<b>mine" not in text


def test_many_rules_cost_no_more_questions(
    clerk: Agent, alice: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        hold_above(1_000_000 + number)
    contract_of(clerk)
    with django_assert_max_num_queries(14):
        contract_of(clerk)


def test_the_file_of_the_agent_leads_to_it(clerk: Agent, alice: Any) -> None:
    found = browser(alice).get(reverse("admin:agents_agent_change", args=[clerk.pk])).content.decode()
    address = reverse("agent-contract", args=[clerk.pk])
    assert address in found
    assert "Nobody has signed it yet." in found
    file = browser(alice).get(reverse("agent-file", args=[clerk.pk])).content.decode()
    assert address in file
