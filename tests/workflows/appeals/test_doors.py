"""Appeals over HTTP, in the inbox and on the page of contested rules."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.urls import reverse

from tests.workflows.appeals.test_appeals import WHY, contested, large, two
from tests.workflows.conftest import ask, signed_in
from workflows.appeals.models import Appeal, Proposal

__all__ = ["large", "two"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


def test_an_agent_contests_over_http_and_reads_the_answer(large, clerk, alice):
    action = ask(clerk)
    agent, manager = signed_in(clerk.user), signed_in(alice)
    address = f"/api/v1/actions/{action.pk}/appeal"
    assert agent.get(address).status_code == 404
    made = agent.post(address, {"reason": WHY}, format="json")
    assert made.status_code == 201
    assert made.json()["grounds"] == [{"kind": "rule", "name": "No large invoices", "compared": "123.00 EUR"}]
    assert (made.json()["state"], made.json()["is_open"]) == ("open", True)
    again = agent.post(address, {"reason": "Once more, please"}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "already_contested")
    assert again.json()["appeal"]["id"] == made.json()["id"]
    listed = manager.get("/api/v1/appeals?state=open").json()["results"]
    assert [one["id"] for one in listed] == [made.json()["id"]]
    told = {"decision": "ask_again", "reason": "Ask for 99.00 instead"}
    answered = manager.post(f"/api/v1/appeals/{made.json()['id']}/answer", told, format="json")
    assert answered.status_code == 200
    read = agent.get(address).json()
    assert (read["state"], read["answer"], read["is_open"]) == ("ask_again", "Ask for 99.00 instead", False)
    assert "idempotency key" in read["next"]
    assert agent.get(f"/api/v1/actions/{action.pk}").json()["state"] == "denied"


@pytest.mark.parametrize(
    "wrong",
    [{}, {"reason": "no"}, {"reason": "x" * 2001}, {"reason": ["a list"]}, {"reason": WHY, "allow": True}, []],
)
def test_a_bad_appeal_is_refused_with_a_word(large, clerk, wrong):
    action = ask(clerk)
    answer = signed_in(clerk.user).post(f"/api/v1/actions/{action.pk}/appeal", wrong, format="json")
    assert answer.status_code in (400, 422)
    assert not Appeal.objects.exists()


def test_a_wait_ends_with_the_answer(large, clerk, monkeypatch):
    """The long poll asks again while the appeal is open, and not when it is answered."""
    from workflows.api import long_poll

    wait = long_poll._wanted({
        "query_string": b"wait=5", "method": "GET",
        "path": "/api/v1/actions/01a228ad-9929-722f-9fca-420b35f4f25a/appeal",
    })  # fmt: skip
    assert wait is not None
    assert [wait.is_open(told) for told in ({"is_open": True}, {"is_open": False}, {})] == [True, False, False]
    assert asyncio.iscoroutinefunction(long_poll.wait_for_answer)


class TestPages:
    def test_a_manager_answers_it_from_the_inbox(self, client, large, clerk, alice):
        appeal = contested(clerk, reason="<script>alert(1)</script> the order says 10,400")
        client.force_login(alice)
        address = reverse("appeal", args=[appeal.pk])
        assert address in client.get(reverse("inbox")).content.decode()
        text = client.get(address).content.decode()
        assert "&lt;script&gt;alert(1)" in text
        assert "<script>alert(1)" not in text
        assert "No large invoices" in text
        story = client.get(reverse("action", args=[appeal.action_id])).content.decode()
        assert address in story
        assert "Its agent contests that" in story
        assert f"{reverse('rule-backtest', args=[large.pk])}?value=130.00" in text
        refused = client.post(reverse("appeal-answer", args=[appeal.pk]), {"decision": "upheld"})
        assert (refused.status_code, "Correct what is marked" in refused.content.decode()) == (422, True)
        done = client.post(
            reverse("appeal-answer", args=[appeal.pk]), {"decision": "change_rule", "reason": "Prices rose"}
        )
        assert done.headers["Location"] == reverse("admin:agents_rule_change", args=[large.pk])
        text = client.get(address).content.decode()
        assert "The rule is to be changed" in text
        assert 'name="decision"' not in text

    def test_an_agent_has_no_pages_and_others_do_not_see_it(self, client, large, clerk, mallory):
        appeal = contested(clerk)
        client.force_login(mallory)
        assert client.get(reverse("appeal", args=[appeal.pk])).status_code == 404
        assert client.get(reverse("contested")).status_code == 404

    def test_a_contested_rule_is_listed_and_its_change_taken_up(self, client, large, clerk, two, alice, carol):
        client.force_login(alice)
        assert "Nothing is contested" in client.get(reverse("contested")).content.decode()
        contested(clerk, 10_400, "RE-1")
        text = client.get(reverse("contested")).content.decode()
        assert "Too few appeals yet" in text
        contested(clerk, 11_000, "RE-2")
        contested(two, 12_300, "RE-3")
        proposal = Proposal.objects.get()
        text = client.get(reverse("contested")).content.decode()
        for words in ("3 appeals", "Robo, Second", "104.00 EUR, 110.00 EUR, 123.00 EUR", "Compare with 130.00"):
            assert words in text
        assert f"{reverse('rule-backtest', args=[large.pk])}?value=130.00" in text
        client.force_login(carol)
        assert "Propose it" not in client.get(reverse("contested")).content.decode()
        client.force_login(alice)
        take_up = reverse("proposal-take-up", args=[proposal.pk])
        refused = client.post(take_up, {"reason": "", "value": "130.00"})
        assert (refused.status_code, "say why" in refused.content.decode()) == (422, True)
        done = client.post(take_up, {"reason": "Prices rose", "value": "130.00"}, follow=True)
        assert "It waits for a second person" in done.content.decode()
        assert "A person took it up: waiting for a second person" in done.content.decode()

    def test_it_is_put_aside(self, client, large, clerk, two, alice):
        for number, agent in enumerate((clerk, clerk, two)):
            contested(agent, 10_400 + number, f"RE-{number}")
        client.force_login(alice)
        address = reverse("proposal-dismiss", args=[Proposal.objects.get().pk])
        done = client.post(address, {"reason": "Not this year"}, follow=True)
        assert "Put aside: No large invoices" in done.content.decode()

    def test_proposals_over_http(self, large, clerk, two, alice):
        for number, agent in enumerate((clerk, clerk, two)):
            contested(agent, 10_400 + number, f"RE-{number}")
        manager = signed_in(alice)
        (told,) = manager.get("/api/v1/contested-rules").json()["results"]
        assert (told["words"], told["cases"]) == ("Compare with 110.00 EUR instead of 100.00 EUR", 3)
        address = f"/api/v1/contested-rules/{told['id']}/take-up"
        wrong = manager.post(address, {"reason": "Prices rose", "value": "much"}, format="json")
        assert wrong.status_code == 422
        done = manager.post(address, {"reason": "Prices rose"}, format="json")
        assert (done.status_code, done.json()["state"]) == (200, "taken_up")
        assert done.json()["change_request"]
        assert json.dumps(done.json())
        gone = manager.post(f"/api/v1/contested-rules/{told['id']}/dismiss", {"reason": "Late"}, format="json")
        assert (gone.status_code, gone.json()["code"]) == (409, "proposal_closed")


def test_the_admin_shows_and_changes_nothing(client: Any, large: Any, clerk: Any, alice: Any) -> None:
    appeal = contested(clerk)
    client.force_login(alice)
    page = client.get(reverse("admin:appeals_appeal_change", args=[appeal.pk]))
    assert WHY in page.content.decode()
    assert (
        client.post(reverse("admin:appeals_appeal_change", args=[appeal.pk]), {"reason": "x"}).status_code
        == 403
    )
    assert client.get(reverse("admin:appeals_proposal_changelist")).status_code == 200
