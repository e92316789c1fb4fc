"""Stops in the admin, and what waits there for a second person."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse

from agents.models import Agent, ChangeRequest, Rule, Stop
from agents.services import policies, stops
from tests.agents.admin_pages import adding, do, errors, page, signed_in

pytestmark = pytest.mark.usefixtures("operations")


class TestStops:
    def test_an_operator_stops_everything_and_a_manager_lifts_it(
        self, alice: Any, dave: Any, working: Agent
    ) -> None:
        client = signed_in(dave)
        preview = client.post(reverse("admin:agents_stop_affected"), {"scope": "everything:"})
        assert "Robo" in preview.content.decode()
        answer = client.post(adding(Stop), {"scope": "everything:", "reason": "Something is wrong"})
        assert answer.status_code == 302, errors(answer)
        stop = Stop.objects.get()
        assert stop.is_active
        assert "Robo" in client.get(page(stop)).content.decode()
        assert do(client, stop, "lift").status_code == 403
        assert do(signed_in(alice), stop, "lift")["HX-Redirect"]
        stop.refresh_from_db()
        assert not stop.is_active

    def test_a_stop_comes_back_in_stages(self, alice: Any, dave: Any, working: Agent) -> None:
        stop = stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason="Something is wrong")
        assert "Stop it again" not in signed_in(dave).get(page(stop)).content.decode()
        for verb, stage in (("let_read", "look"), ("hold_writes", "held")):
            assert do(signed_in(dave), stop, verb).status_code == 403
            assert do(signed_in(alice), stop, verb)["HX-Redirect"]
            stop.refresh_from_db()
            assert stop.stage == stage
        assert "A person approves every write" in signed_in(dave).get(page(stop)).content.decode()
        assert do(signed_in(dave), stop, "tighten")["HX-Redirect"]
        stop.refresh_from_db()
        assert stop.stage == "stop"

    def test_where_it_has_arrived_is_read_again_by_itself(
        self, alice: Any, dave: Any, carol: Any, mallory: Any, working: Agent
    ) -> None:
        stop = stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason="Something is wrong")
        again = reverse("admin:agents_stop_containment", args=[stop.pk])
        assert f'data-refresh="{again}"' in signed_in(carol).get(page(stop)).content.decode()
        text = signed_in(carol).get(again).content.decode()
        assert "data-unsettled" in text
        assert re.search(r"As it was at \d\d:\d\d:\d\d UTC", text)
        assert "has not called since" in text
        assert signed_in(mallory).get(again).status_code == 403
        assert signed_in(carol).get(again.replace(str(stop.pk), str(working.pk))).status_code == 404
        stops.lift_stop(actor=alice.as_actor(), stop=stop, reason="It is well again")
        assert "data-refresh" not in signed_in(carol).get(page(stop)).content.decode()

    def test_its_button_says_what_it_does(self, dave: Any, db: None) -> None:
        form = signed_in(dave).get(adding(Stop)).content.decode()
        assert "Stop it now" in form
        assert not re.search(r">\s*Save\s*<", form)

    def test_only_what_exists_can_be_stopped(self, dave: Any, db: None) -> None:
        answer = signed_in(dave).post(adding(Stop), {"scope": "agent:nobody", "reason": "Something is wrong"})
        assert answer.status_code == 200
        assert not Stop.objects.exists()

    def test_an_approver_stops_nothing(self, bob: Any, db: None) -> None:
        answer = signed_in(bob).post(adding(Stop), {"scope": "everything:", "reason": "Something is wrong"})
        assert answer.status_code == 403


class TestChangeRequests:
    @pytest.fixture
    def waiting(self, alice: Any, threshold: Rule) -> ChangeRequest:
        found = policies.propose_rule_change(
            actor=alice.as_actor(), rule=threshold, changes={"value": "20000.00"}, reason="Fewer questions"
        ).change_request
        assert found is not None
        return found

    def test_the_proposer_is_offered_to_withdraw_and_others_to_decide(
        self, alice: Any, bob: Any, waiting: ChangeRequest
    ) -> None:
        own = signed_in(alice).get(page(waiting)).content.decode()
        assert page(waiting, "withdraw") in own
        assert page(waiting, "apply") not in own
        other = signed_in(bob).get(page(waiting)).content.decode()
        assert page(waiting, "apply") in other
        assert page(waiting, "withdraw") not in other

    def test_a_proposal_is_written_in_words(self, bob: Any, waiting: ChangeRequest) -> None:
        text = signed_in(bob).get(page(waiting)).content.decode()
        assert "Waiting for a second person" in text
        for raw in ("(&#x27;pending", "agents.rule.change", "[&#x27;"):
            assert raw not in text

    def test_what_waits_is_said_on_the_page_it_would_change(
        self, alice: Any, waiting: ChangeRequest, threshold: Rule
    ) -> None:
        text = signed_in(alice).get(page(threshold)).content.decode()
        assert "it waits for a second person" in text
        assert page(waiting) in text

    def test_rejecting_and_withdrawing(
        self, alice: Any, bob: Any, waiting: ChangeRequest, threshold: Rule
    ) -> None:
        do(signed_in(bob), waiting, "reject")
        waiting.refresh_from_db()
        assert (waiting.state, waiting.approver) == ("rejected", bob)
        again = policies.propose_rule_change(
            actor=alice.as_actor(), rule=threshold, changes={"value": "20000.00"}, reason="Once more please"
        ).change_request
        do(signed_in(alice), again, "withdraw")
        again.refresh_from_db()
        assert again.state == "withdrawn"

    def test_nobody_else_withdraws_it(self, bob: Any, waiting: ChangeRequest) -> None:
        do(signed_in(bob), waiting, "withdraw")
        waiting.refresh_from_db()
        assert waiting.state == "pending"
