from __future__ import annotations

from typing import Any

import pytest

from agents.models import Reservation
from audit.models import Event
from audit.vocabulary import Refusal
from connectors.models import Authorization, Call
from tests.fakes import arguments
from tests.workflows.conftest import ask, hold_above, limit
from workflows.actions.models import Action, IdempotencyKey
from workflows.actions.services import Ask, preview_decision, request_action
from workflows.approvals.models import Approval
from workflows.tasks.models import Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds")]


def test_without_a_grant_it_is_denied_and_says_why(robo: Any, book: Any) -> None:
    action = ask(robo)
    assert (action.state, action.verdict) == ("denied", "deny")
    assert action.code
    assert action.next_step
    assert not Authorization.objects.exists()
    event = Event.objects.get(action_id=str(action.pk))
    assert (event.verb, event.decision, event.code) == ("actions.action_denied", "deny", action.code)
    assert event.agent_id == str(robo.pk)
    assert event.department_id == str(robo.department_id)


def test_an_unknown_operation_is_denied_and_recorded(clerk: Any) -> None:
    action = request_action(
        actor=clerk.user.as_actor(), agent=clerk, key="k", ask=Ask(operation="erp.nothing", arguments={"a": 1})
    )
    assert action.state == "denied"
    assert action.operation is None
    assert Event.objects.filter(action_id=str(action.pk), decision="deny").count() == 1


def test_a_granted_call_is_authorized_once_for_exactly_its_arguments(clerk: Any) -> None:
    action = ask(clerk)
    assert action.state == "authorized"
    assert action.label == "Invoice RE-1 of S-1"
    assert (action.currency, action.amount_minor, action.amount_company_minor) == ("EUR", 12_300, 12_300)
    passed = Authorization.objects.get(pk=action.authorization_id)
    assert passed.arguments_digest == action.arguments_digest
    assert passed.agent_id == str(clerk.pk)
    assert not Call.objects.exists()


def test_the_same_key_and_body_is_answered_the_same(robo: Any, book: Any) -> None:
    first, second = ask(robo, key="k"), ask(robo, key="k")
    assert first.pk == second.pk
    assert Action.objects.count() == 1
    assert Event.objects.filter(verb="actions.action_denied").count() == 1


def test_the_same_key_with_another_body_is_refused_and_recorded(robo: Any, book: Any) -> None:
    action = ask(robo, key="k")
    with pytest.raises(Refusal) as refused:
        ask(robo, key="k", minor=12_301)
    assert (refused.value.code, refused.value.kind) == ("idempotency_key_reused", "invalid")
    assert refused.value.detail["action"] == str(action.pk)
    assert Event.objects.get(verb="actions.request_refused").code == "idempotency_key_reused"


def test_the_same_key_while_it_is_being_done_is_refused_with_a_time_to_wait(clerk: Any) -> None:
    ask(clerk, key="k")
    with pytest.raises(Refusal) as refused:
        ask(clerk, key="k")
    assert (refused.value.code, refused.value.detail["retry_after"]) == ("action_in_flight", 1)


def test_keys_are_the_agents_own(clerk: Any, alice: Any, book: Any) -> None:
    from tests.workflows.conftest import new_agent

    other = new_agent(alice, "other")
    assert ask(clerk, key="k").pk != ask(other, key="k").pk
    assert IdempotencyKey.objects.count() == 2


def test_arguments_that_do_not_fit_are_refused_before_any_rule_and_leave_no_action(clerk: Any) -> None:
    with pytest.raises(Refusal) as refused:
        request_action(
            actor=clerk.user.as_actor(),
            agent=clerk,
            key="k",
            ask=Ask(operation="fake.invoice.post", arguments={"supplier": "S", "number": "1", "total": 5}),
        )
    assert refused.value.code == "invalid_arguments"
    assert refused.value.detail["errors"][0]["pointer"] == "/total"
    assert not Action.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert Event.objects.get(verb="actions.request_refused").agent_id == str(clerk.pk)


def test_without_a_grant_nobody_learns_the_schema(robo: Any, book: Any) -> None:
    action = request_action(
        actor=robo.user.as_actor(),
        agent=robo,
        key="k",
        ask=Ask(operation="fake.invoice.post", arguments={"x": 1}),
    )
    assert action.state == "denied"
    assert "supplier" not in f"{action.sentence} {action.next_step}"


def test_above_the_threshold_it_is_held_with_a_task_and_reserves_nothing(clerk: Any, bob: Any) -> None:
    hold_above(1_000_000)
    limit("per_day", 5)
    action = ask(clerk, minor=1_000_001)
    assert (action.state, action.verdict) == ("held", "hold")
    approval = Approval.objects.get()
    assert (approval.state, approval.subject_id, approval.quorum) == ("pending", str(action.pk), 1)
    assert approval.binding == action.binding != ""
    task = Task.objects.get()
    assert (task.kind, task.state) == ("approval", "open")
    assert not Reservation.objects.exists()
    assert not Authorization.objects.exists()
    headroom = {reading["code"]: reading["headroom"] for reading in approval.explanation["limits"]}
    assert headroom == {"per_day": 5}
    assert ask(clerk, minor=1_000_000).state == "authorized"


def test_a_hold_that_nobody_can_answer_is_denied(clerk: Any) -> None:
    from django.contrib.auth.models import Group

    Group.objects.filter(name="Approvers").update(name="Somebody else")
    hold_above(100)
    action = ask(clerk)
    assert (action.state, action.code) == ("denied", "no_approvers")


def test_a_limit_denies_under_its_own_code(clerk: Any) -> None:
    limit("per_day", 1)
    assert ask(clerk, number="1").state == "authorized"
    second = ask(clerk, number="2")
    assert (second.state, second.code) == ("denied", "limit_reached")
    assert Reservation.objects.count() == 1


def test_the_same_supplier_and_number_twice_is_a_duplicate(clerk: Any) -> None:
    limit("once", 1, window="ever", key='args.supplier + "/" + args.number')
    assert ask(clerk, number="1").state == "authorized"
    assert ask(clerk, number="1").code == "duplicate"
    assert ask(clerk, number="2").state == "authorized"


def test_only_the_agent_itself_asks(clerk: Any, alice: Any) -> None:
    with pytest.raises(Refusal) as refused:
        request_action(
            actor=alice.as_actor(), agent=clerk, key="k", ask=Ask(operation="fake.invoice.post", arguments={})
        )
    assert refused.value.code == "people_do_not_ask"


def test_the_words_of_the_agent_are_kept_and_reach_no_rule(clerk: Any) -> None:
    action = ask(clerk, reason="approve this at once", evidence=({"mail": 1},), confidence="0.99")
    assert (action.reason, action.evidence, action.confidence) == (
        "approve this at once",
        [{"mail": 1}],
        "0.99",
    )


def test_a_preview_decides_the_same_and_records_nothing(clerk: Any, bob: Any) -> None:
    hold_above(100)
    before = Event.objects.count()
    judgement = preview_decision(
        actor=clerk.user.as_actor(),
        agent=clerk,
        ask=Ask(operation="fake.invoice.post", arguments=arguments("1", 500)),
    )
    assert judgement.decision.verdict == "hold"
    assert Event.objects.count() == before
    assert not Action.objects.exists()


def test_a_preview_for_another_is_refused(clerk: Any, mallory: Any, alice: Any) -> None:
    from tests.workflows.conftest import new_agent

    other = new_agent(alice, "other")
    wish = Ask(operation="fake.invoice.post", arguments={})
    with pytest.raises(Refusal, match="no agent"):
        preview_decision(actor=clerk.user.as_actor(), agent=other, ask=wish)
    with pytest.raises(Refusal, match="may not preview"):
        preview_decision(actor=mallory.as_actor(), agent=other, ask=wish)


def test_a_paused_agent_is_denied_by_code(clerk: Any, alice: Any) -> None:
    from agents.services import lifecycle

    lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="looking into it")
    clerk.refresh_from_db()
    action = ask(clerk)
    assert (action.state, action.code) == ("denied", "agent_paused")


def test_a_grant_by_role_counts(robo: Any, book: Any) -> None:
    from connectors.services import grant_operation
    from tests.workflows.conftest import TESTS

    grant_operation(actor=TESTS, operation=book["post"], role=robo.role, reason="set up for a test")
    assert ask(robo).state == "authorized"
