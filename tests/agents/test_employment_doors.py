"""The doors of employment: the admin and the API do what the services do, and say what waits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents import selectors
from agents.decision.facts import GrantFacts
from agents.models import Agent, Certificate, ChangeRequest, LifecycleTerms
from agents.services import lifecycle, probation
from tests.agents.authority import catalogue
from tests.agents.test_admin import adding, do, listing, page, signed_in

pytestmark = pytest.mark.django_db
WHY = "Because the test says so"
TERMS = {
    "probation_days": 30,
    "attest_every_days": 180,
    "attest_notice_days": 14,
    "attest_grace_days": 7,
    "denials": 0,
    "limits": 0,
    "doubts": 0,
    "reversals": 0,
    "window_days": 7,
    "breach_then": "probation",
}


@pytest.fixture(autouse=True)
def may_post(working: Agent) -> Iterator[None]:
    with catalogue(GrantFacts("grant-1", "erp.supplier_invoice.post", "group", str(working.role.group_id))):
        yield


def fresh(agent: Agent) -> Agent:
    return Agent.objects.get(pk=agent.pk)


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")


class TestAdmin:
    def test_a_role_gets_stricter_terms_at_once(self, working: Agent, alice: Any) -> None:
        form = {**TERMS, "role": str(working.role_id), "denials": 3, "reason": WHY}
        signed_in(alice).post(adding(LifecycleTerms), form)
        assert selectors.terms_for(working.role_id).denials == 3
        assert selectors.terms_for(None).denials == 0

    def test_looser_ones_wait_and_the_page_says_so(self, alice: Any) -> None:
        client, company = signed_in(alice), LifecycleTerms.objects.get(role=None)
        client.post(page(company), {**TERMS, "probation_days": 5, "reason": WHY})
        assert selectors.terms_for(None).probation_days == 30
        assert ChangeRequest.objects.get().state == "pending"
        client.post(page(company), {**TERMS, "denials": 4, "reason": WHY})
        assert selectors.terms_for(None).denials == 4

    def test_new_terms_that_are_looser_are_not_said_to_be_added(self, working: Agent, alice: Any) -> None:
        form = {**TERMS, "role": str(working.role_id), "probation_days": 0, "reason": WHY}
        answer = signed_in(alice).post(adding(LifecycleTerms), form, follow=True)
        assert not LifecycleTerms.objects.filter(role=working.role).exists()
        text = answer.content.decode()
        assert "Not in force yet" in text
        assert "was added successfully" not in text

    @pytest.mark.parametrize("wrong", [{"window_days": 0}, {"probation_days": -1}, {"breach_then": "free"}])
    def test_what_makes_no_sense_is_refused_on_the_form(self, alice: Any, wrong: dict[str, Any]) -> None:
        company = LifecycleTerms.objects.get(role=None)
        signed_in(alice).post(page(company), {**TERMS, **wrong, "reason": WHY})
        assert selectors.terms_for(None) == selectors.terms_from(company)
        assert not ChangeRequest.objects.exists()

    def test_an_agent_is_put_back_and_its_promotion_waits(self, working: Agent, alice: Any) -> None:
        client = signed_in(alice)
        do(client, working, "demote", to="probation")
        assert fresh(working).on_probation
        do(client, working, "promote")
        assert fresh(working).on_probation
        assert selectors.pending_promotion(working) is not None
        shown = client.get(page(working)).content.decode()
        assert "On probation since" in shown
        assert "Waits" in shown or "waits" in shown

    def test_lists_are_filtered_by_probation_and_confirmation(self, working: Agent, alice: Any) -> None:
        client = signed_in(alice)
        lifecycle.start_probation(working, 30)
        working.attest_by = timezone.now().date()
        working.save()
        for query, found in (
            ("probation=yes", True),
            ("probation=no", False),
            ("probation=late", False),
            ("confirmation=soon", True),
            ("confirmation=overdue", False),
            ("confirmation=none", False),
        ):
            text = client.get(f"{listing(Agent)}?{query}").content.decode()
            assert (reverse("agent-file", args=[working.pk]) in text) is found, query

    def test_certificates_are_read_and_never_written(self, working: Agent, alice: Any) -> None:
        probation.demote_agent(actor=alice.as_actor(), agent=working, to="read_only", reason=WHY)
        client, kept = signed_in(alice), Certificate.objects.get()
        assert "Robo was put back" in client.get(page(kept)).content.decode()
        assert client.get(listing(Certificate)).status_code == 200
        assert client.post(page(kept), {"reason": "other"}).status_code == 403


class TestApi:
    def test_where_it_stands_with_its_record(self, working: Agent, alice: Any) -> None:
        lifecycle.start_probation(working, 30)
        working.save()
        shown = signed_in(alice).get(f"/api/v1/agents/{working.pk}/employment").json()
        assert shown["on_probation"] is True
        assert shown["terms"]["probation_days"] == 30
        assert shown["evidence"]["asked"] == 0
        assert shown["contract"] == selectors.contract_of(working).digest
        assert [moment["title"] for moment in shown["timeline"]] == ["Draft"]

    def test_each_verb(self, working: Agent, alice: Any) -> None:
        client, path = signed_in(alice), f"agents/{working.pk}"
        answer = post(client, f"{path}/demote", to="probation", reason=WHY)
        assert (answer.status_code, answer.json()["on_probation"]) == (200, True)
        answer = post(client, f"{path}/promote", reason=WHY)
        assert (answer.status_code, answer.json()["state"]) == (202, "pending")
        digest = selectors.contract_of(working).digest
        answer = post(client, f"{path}/attest", still_needed=True, digest=digest, reason=WHY)
        assert answer.status_code == 200, answer.content
        answer = post(client, f"{path}/take-over", reason=WHY)
        assert (answer.status_code, answer.json()["code"]) == (409, "sponsor_present")
        answer = post(client, f"{path}/retire", reason=WHY)
        assert (answer.status_code, answer.json()["lifecycle"]) == (200, "retired")
        kept = client.get(f"/api/v1/{path}/certificates").json()["results"]
        assert [it["kind"] for it in kept] == ["retirement", "attestation", "demotion"]
        one = client.get(f"/api/v1/certificates/{kept[0]['id']}").json()
        assert one["digest"] == kept[0]["digest"]

    def test_one_who_is_to_get_it_and_is_not_there(self, working: Agent, alice: Any) -> None:
        settled = [{"key": "task:x", "to": "nobody", "reason": WHY}]
        answer = post(signed_in(alice), f"agents/{working.pk}/retire", settled=settled, reason=WHY)
        assert (answer.status_code, answer.json()["code"]) == (422, "handover_unfit")
        assert fresh(working).lifecycle == "active"

    def test_terms_of_a_role_and_of_the_company(self, working: Agent, alice: Any) -> None:
        client = signed_in(alice)
        answer = post(client, "lifecycle-terms", role=working.role.code, denials=2, reason=WHY)
        assert (answer.status_code, answer.json()["denials"]) == (200, 2)
        answer = post(client, "lifecycle-terms", probation_days=0, reason=WHY)
        assert answer.status_code == 202
        assert len(client.get("/api/v1/lifecycle-terms").json()) == 2
        assert post(client, "lifecycle-terms", role="nobody", reason=WHY).status_code == 422
