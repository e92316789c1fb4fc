"""The pages on which a request is changed and the like of it is approved in future, and the same over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from agents.models import Agent, ChangeRequest, Role, Rule, User
from connectors.services import publish_operation
from tests.company import person
from tests.fakes import POST_MAPPING, POST_SCHEMA, arguments
from tests.workflows.conftest import TESTS, ask, hold_above, new_agent, signed_in
from tests.workflows.test_approvals import vote
from workflows.actions.models import Action, StandingApproval
from workflows.actions.services import Ask, request_action
from workflows.approvals.models import Approval
from workflows.approvals.selectors import company_day
from workflows.pages.editing import without_hidden
from workflows.pages.schema_form import SchemaForm

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds", "hints")]
WHY = "the invoice says less"


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def erin(bob: Any) -> User:
    return person("erin", "Approvers")


@pytest.fixture
def held(clerk: Any, bob: Any, erin: Any) -> Action:
    hold_above(10_000)
    return ask(clerk, minor=20_000, number="<b>RE</b>")


def filled(held: Action, **more: Any) -> dict[str, Any]:
    return {
        "digest": held.approval.digest,
        "reason": WHY,
        "args-supplier": "S-1",
        "args-number": "<b>RE</b>",
        "args-note": "",
        "args-total_0": "200.00",
        "args-total_1": "EUR",
        **more,
    }


def test_a_person_changes_a_value_in_a_form(held: Action, bob: Any, erin: Any) -> None:
    client = browser(bob)
    address = reverse("inbox-edit", args=[held.approval_id])
    assert address in client.get(reverse("inbox-approval", args=[held.approval_id])).content.decode()
    shown = client.get(address).content.decode()
    assert 'value="200.00"' in shown
    assert "<b>RE</b>" not in shown
    answer = client.post(address, filled(held, **{"args-total_0": "150.00"}), follow=True)
    new = Action.objects.get(replaces=held)
    assert new.arguments == {**held.arguments, "total": {"minor": 15_000, "currency": "EUR"}}
    assert "Another person decides" in answer.content.decode()
    seen = browser(erin).get(reverse("inbox-approval", args=[new.approval_id])).content.decode()
    for word in ("What people changed in it", "<del>200.00 EUR</del>", "<ins>150.00 EUR</ins>", WHY):
        assert word in seen
    told = browser(erin).get(reverse("action", args=[held.pk])).content.decode()
    assert reverse("action", args=[new.pk]) in told


def test_what_cannot_be_is_shown_at_its_field(held: Action, bob: Any) -> None:
    client, address = browser(bob), reverse("inbox-edit", args=[held.approval_id])
    assert client.post(address, filled(held, **{"args-total_0": "much"})).status_code == 422
    assert client.post(address, filled(held)).status_code == 403  # nothing was changed
    answer = client.post(address, filled(held, digest="0" * 64, **{"args-total_0": "1.00"}))
    assert (answer.status_code, Action.objects.count()) == (409, 1)
    assert client.post(address, filled(held, reason="", **{"args-total_0": "1.00"})).status_code == 422


def test_who_may_not_vote_reads_why(held: Action, alice: Any, mallory: Any) -> None:
    address = reverse("inbox-edit", args=[held.approval_id])
    assert "Only members of Approvers decide this" in browser(alice).get(address).content.decode()
    assert browser(mallory).get(address).status_code == 404
    assert browser(alice).post(address, filled(held, **{"args-total_0": "1.00"})).status_code == 403


def test_what_a_rule_hides_is_in_no_form(clerk: Any, bob: Any, erin: Any) -> None:
    hold_above(10_000, redact=["args.supplier"])
    held = ask(clerk, minor=20_000)
    client, address = browser(bob), reverse("inbox-edit", args=[held.approval_id])
    shown = client.get(address).content.decode()
    assert "S-1" not in shown
    assert "args-supplier" not in shown
    assert "A rule hides supplier" in shown
    told = {"digest": held.approval.digest, "reason": WHY, "args-total_0": "150.00", "args-total_1": "EUR"}
    assert client.post(address, {**told, "args-number": "RE-1"}).status_code == 302
    assert Action.objects.get(replaces=held).arguments["supplier"] == "S-1"
    form = client.get(reverse("inbox-standing", args=[held.approval_id])).content.decode()
    assert "S-1" not in form


def standing_form(**more: Any) -> dict[str, Any]:
    return {
        "whose": "agent",
        "same": ["args.supplier"],
        "most": "300.00",
        "total": "",
        "most_uses": "2",
        "last_day": (company_day() + timedelta(10)).isoformat(),
        "reason": "they send the same every week",
        **more,
    }


def test_the_like_is_approved_in_future_by_two_people(held: Action, bob: Any, erin: Any, clerk: Agent) -> None:
    client = browser(bob)
    address = reverse("inbox-standing", args=[held.approval_id])
    shown = client.get(address).content.decode()
    assert 'value="args.supplier"' in shown
    assert client.post(address, standing_form(most="")).status_code == 422
    assert client.post(address, standing_form(most_uses="0")).status_code == 422
    assert client.post(address, standing_form(most="1.00")).status_code == 403
    assert "a second person has to agree" in client.post(address, standing_form(), follow=True).content.decode()
    question = Approval.objects.get(subject_kind="agents.changerequest")
    asked = browser(erin).get(reverse("inbox-approval", args=[question.pk])).content.decode()
    assert "What it lets whom do" in asked
    assert "up to 300.00 EUR each" in asked
    vote(erin, question)
    assert ask(clerk, number="RE-2", minor=20_000).state == "authorized"
    page = client.get(reverse("standing")).content.decode()
    assert "1 of 2" in page
    assert "In force" in page
    for narrowed in (f"agent={clerk.pk}", f"rule={Rule.objects.get().pk}", "agent=x", "rule=x"):
        assert "1 of 2" in client.get(f"{reverse('standing')}?{narrowed}").content.decode()
    other = new_agent(bob, "other")
    other.role = Role.objects.create(code="other", name="Other", group=Group.objects.create(name="Role: other"))
    other.save()
    assert "1 of 2" not in client.get(f"{reverse('standing')}?agent={other.pk}").content.decode()
    assert client.get(f"{reverse('standing')}?rule={clerk.pk}").status_code == 404
    standing = StandingApproval.objects.get()
    client.post(reverse("standing-end", args=[standing.pk]), {"reason": "no longer needed"})
    assert "Ended" in browser(erin).get(reverse("standing")).content.decode()
    assert ask(clerk, number="RE-3", minor=20_000).state == "held"


def test_an_empty_list_says_the_next_step(bob: Any) -> None:
    assert "Approve the like in future" in browser(bob).get(reverse("standing")).content.decode()


def test_the_same_over_http(held: Action, bob: Any, erin: Any, clerk: Agent) -> None:
    api = signed_in(bob)
    address = f"/api/v1/approvals/{held.approval_id}"
    body = {
        "until": (company_day() + timedelta(10)).isoformat() + "T00:00:00Z",
        "most_uses": 2,
        "most_minor": 30_000,
        "conditions": [{"field": "args.supplier", "comparison": "equal", "value": "S-1"}],
        "reason": "they send the same every week",
    }
    asked = api.post(f"{address}/standing", body, format="json")
    assert asked.status_code == 202, asked.json()
    vote(erin, Approval.objects.get(subject_id=asked.json()["change_request"]))
    listed = api.get("/api/v1/standing-approvals").json()["results"]
    assert [(one["id"], one["state"], one["used"]) for one in listed] == [
        (asked.json()["standing_approval"], "in_force", 0)
    ]
    through = ask(clerk, number="RE-2", minor=20_000)
    told = signed_in(clerk.user).get(f"/api/v1/actions/{through.pk}").json()
    assert told["decision"]["code"] == "approved_in_advance"
    assert told["decision"]["standing"]["granted_by"] == "Bob"
    one = f"/api/v1/standing-approvals/{listed[0]['id']}"
    assert signed_in(clerk.user).get(one).status_code == 403
    ended = api.post(f"{one}/revoke", {"reason": "no longer needed"}, format="json")
    assert (ended.status_code, ended.json()["state"]) == (200, "revoked")
    edited = api.post(
        f"{address}/edits",
        {"digest": held.approval.digest, "changes": {"total": {"minor": 15_000}}, "reason": WHY},
        format="json",
    )
    assert edited.status_code == 201, edited.json()
    again = signed_in(erin).get(f"/api/v1/approvals/{edited.json()['approval']}").json()
    (change,) = again["subject"]["edits"][0]["changes"] if "subject" in again else again["about"]["edits"]
    assert (change["before"], change["after"]) == ("200.00 EUR", "150.00 EUR")


@pytest.mark.parametrize(
    "changes", [[], "x", None, {"a\u0000b": 1}, {"total": {"minor": 1.5}}, {"total": {"minor": 10**40}}]
)
def test_a_hostile_change_is_refused_and_explained(held: Action, bob: Any, changes: Any) -> None:
    body = {"digest": held.approval.digest, "changes": changes, "reason": WHY}
    answer = signed_in(bob).post(f"/api/v1/approvals/{held.approval_id}/edits", body, format="json")
    assert answer.status_code in (400, 403, 409, 422)
    assert answer.json()["code"]
    assert Action.objects.count() == 1


def test_a_change_of_authority_waits_for_one_thing_only(held: Action, bob: Any, erin: Any) -> None:
    client, address = browser(bob), reverse("inbox-standing", args=[held.approval_id])
    client.post(address, standing_form())
    client.post(address, standing_form(most_uses="9"))
    assert ChangeRequest.objects.count() == 2


TEXT = {"type": "string", "maxLength": 40}
BANK = {
    "type": "object",
    "additionalProperties": False,
    "required": ["iban"],
    "properties": {"iban": TEXT, "bic": TEXT},
}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"bank": BANK}},
        {"properties": {"bank": {"$ref": "#/$defs/bank"}}, "$defs": {"bank": BANK}},
    ],
)
def test_a_form_never_asks_for_what_is_hidden_however_the_schema_is_written(schema: Any) -> None:
    form = SchemaForm(without_hidden(schema, ["args.bank.iban"]), {"bank.bic": "BIC"})
    form.begin_with({"bank": {"iban": "DE1", "bic": "OLD"}})
    assert form.initial == {"bank.bic": "OLD"}
    assert form.is_valid()


def test_what_is_filled_in_as_a_whole_hides_what_is_hidden_inside_of_it(
    clerk: Any, bob: Any, erin: Any, book: Any
) -> None:
    whole = {**POST_SCHEMA["properties"], "bank": {"anyOf": [BANK, {"type": "null"}]}}
    publish_operation(
        actor=TESTS, system=book["system"], code="fake.invoice.post", name="Post an invoice",
        effect="financial", input_schema={**POST_SCHEMA, "properties": whole}, mapping=POST_MAPPING,
        reason=WHY, money_path="/total",
    )  # fmt: skip
    hold_above(10_000, redact=["args.bank.iban"])
    asked = Ask("fake.invoice.post", arguments(minor=20_000, bank={"iban": "DE-SECRET", "bic": "BIC"}))
    held = request_action(actor=clerk.user.as_actor(), agent=clerk, key="whole", ask=asked)
    shown = browser(bob).get(reverse("inbox-edit", args=[held.approval_id])).content.decode()
    assert "DE-SECRET" not in shown
    assert "BIC" in shown
