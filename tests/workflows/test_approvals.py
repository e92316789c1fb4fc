from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from agents.models import Policy, Reservation, User
from agents.services import policies
from audit.models import Event
from audit.vocabulary import Actor, Refusal
from connectors.services import publish_operation
from tests.company import person
from tests.fakes import POST_MAPPING, POST_SCHEMA
from tests.workflows.conftest import TESTS, ask, hold_above, limit
from workflows.actions.models import Action
from workflows.actions.services import run_action, sweep_due, withdraw_action
from workflows.approvals import services
from workflows.approvals.models import Approval, Vote
from workflows.tasks.models import Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds", "hints")]


def vote(user: User, approval: Approval, verdict: str = "approve", **more: Any) -> Approval:
    given = {"reason": "looks right to me", "digest": approval.digest, **more}
    return services.cast_vote(actor=user.as_actor(), approval_id=approval.pk, verdict=verdict, **given)


@pytest.fixture
def rule(clerk: Any) -> Any:
    return hold_above(10_000)


@pytest.fixture
def held(clerk: Any, rule: Any, bob: Any) -> Action:
    return ask(clerk, minor=20_000)


@pytest.fixture
def approval(held: Action) -> Approval:
    return held.approval


def test_an_approval_decides_again_and_authorizes(
    held: Action, approval: Approval, bob: Any, fake: Any, hints: list[tuple[str, str]],
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        vote(bob, approval)
    held.refresh_from_db()
    approval.refresh_from_db()
    assert (held.state, approval.state) == ("authorized", "approved")
    assert approval.used_at is not None
    assert Task.objects.get(kind="approval").state == "done"
    assert ("workflows.actions.jobs.run_action", str(held.pk)) in hints
    assert run_action(action_id=held.pk).state == "confirmed"
    assert fake.count() == 1


def test_a_reason_that_no_record_can_hold_is_refused(approval: Approval, bob: Any) -> None:
    with pytest.raises(Refusal) as refused:
        vote(bob, approval, reason="looks right\x00 to me")
    assert refused.value.code == "reason_invalid"
    assert not approval.votes.exists()


def test_a_rejection_reaches_the_agent_with_its_reason(held: Action, approval: Approval, bob: Any) -> None:
    vote(bob, approval, "reject", reason="we never ordered this")
    held.refresh_from_db()
    assert (held.state, held.code) == ("rejected", "rejected")
    assert "we never ordered this" in held.sentence
    assert held.next_step
    event = Event.objects.get(verb="actions.action_rejected")
    assert (event.reason, event.actor_id) == ("we never ordered this", str(bob.pk))


def test_a_quorum_counts_different_people(clerk: Any, bob: Any, alice: Any) -> None:
    hold_above(10_000, quorum=2)
    held = ask(clerk, minor=20_000)
    second = person("barbara", "Approvers")
    vote(bob, held.approval)
    held.refresh_from_db()
    assert held.state == "held"
    with pytest.raises(Refusal) as refused:
        vote(bob, held.approval)
    assert refused.value.code == "already_voted"
    vote(second, held.approval)
    held.refresh_from_db()
    assert held.state == "authorized"


def test_a_manager_cannot_draw_what_is_held_to_a_group_of_their_own(clerk: Any, alice: Any) -> None:
    hold_above(10_000)
    policies.create_rule(
        actor=alice.as_actor(),
        policy=Policy.objects.get(code="company"),
        content={
            "name": "mine",
            "operations": "*",
            "verdict": "none",
            "approver_group": Group.objects.get(name="Managers"),
            "mode": "enforced",
        },
        reason="I would rather decide that myself",
    )
    held = ask(clerk, minor=20_000)
    with pytest.raises(Refusal) as refused:
        vote(alice, held.approval)
    assert refused.value.code == "not_an_approver"
    assert {group.name for group in held.approval.approver_groups.all()} == {"Approvers", "Managers"}


def test_agents_are_refused_by_kind_whatever_group_they_are_in(
    held: Action, approval: Approval, clerk: Any
) -> None:
    clerk.user.groups.add(Group.objects.get(name="Approvers"))
    with pytest.raises(Refusal) as refused:
        vote(clerk.user, approval)
    assert refused.value.code == "people_only"
    assert Event.objects.get(verb="approvals.vote_refused").code == "people_only"
    with pytest.raises(IntegrityError), transaction.atomic():
        Vote.objects.create(approval=approval, user=clerk.user, verdict="approve", reason="x", digest="x")


def test_who_it_is_done_for_does_not_approve_it(clerk: Any, rule: Any, bob: Any) -> None:
    held = ask(clerk, minor=20_000, on_behalf_of=str(bob.pk))
    with pytest.raises(Refusal) as refused:
        vote(bob, held.approval)
    assert refused.value.code == "four_eyes"


def test_only_members_of_the_group_vote(approval: Approval, alice: Any, mallory: Any) -> None:
    for user in (alice, mallory):
        with pytest.raises(Refusal) as refused:
            vote(user, approval)
        assert refused.value.code == "not_an_approver"


def test_somebody_inactive_does_not_vote(approval: Approval, bob: Any) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    with pytest.raises(Refusal):
        vote(bob, approval)


def test_a_vote_is_on_what_was_shown_and_has_a_reason(approval: Approval, bob: Any) -> None:
    with pytest.raises(Refusal) as refused:
        vote(bob, approval, digest="0" * 64)
    assert refused.value.code == "digest_changed"
    with pytest.raises(Refusal) as refused:
        vote(bob, approval, reason="  ")
    assert refused.value.code == "reason_missing"
    assert not Vote.objects.exists()


def test_a_vote_after_the_end_is_refused(held: Action, approval: Approval, bob: Any) -> None:
    vote(bob, approval, "reject")
    with pytest.raises(Refusal) as refused:
        vote(person("barbara", "Approvers"), approval)
    assert refused.value.code == "approval_closed"


def test_what_nobody_decides_in_time_is_refused(
    clerk: Any, rule: Any, bob: Any, settings: Any, hints: Any
) -> None:
    settings.APPROVAL_SECONDS = 0
    held = ask(clerk, minor=20_000)
    with pytest.raises(Refusal) as refused:
        vote(bob, held.approval)
    assert refused.value.code == "approval_expired"
    assert sweep_due()["approvals_expired"] == 1
    held.refresh_from_db()
    assert (held.state, held.code) == ("expired", "approval_expired")
    assert Task.objects.get(kind="approval").state == "expired"


def test_the_question_and_its_rule_are_never_changed(approval: Approval) -> None:
    for change in ({"quorum": 2}, {"digest": "0" * 64}, {"excluded_ids": ["x"]}, {"binding": "0" * 64}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Approval.objects.filter(pk=approval.pk).update(**change)


def test_a_used_approval_is_refused(held: Action, approval: Approval, bob: Any) -> None:
    from workflows.actions.services import decide_again

    vote(bob, approval)
    approval.refresh_from_db()
    with pytest.raises(Refusal) as refused:
        decide_again(actor=bob.as_actor(), approval=approval)
    assert refused.value.code == "approval_used"
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=approval.pk).update(used_at=None)


def test_other_rules_since_then_ask_again(held: Action, approval: Approval, bob: Any) -> None:
    hold_above(15_000, name="a newer rule", sentence="invoices above 150.00 EUR need a person")
    vote(bob, approval)
    held.refresh_from_db()
    approval.refresh_from_db()
    assert (held.state, approval.state) == ("held", "approved")
    assert held.approval_id != approval.pk
    assert "rules changed" in held.sentence
    assert Event.objects.filter(verb="actions.action_held_again").count() == 1
    vote(bob, held.approval)
    held.refresh_from_db()
    assert held.state == "authorized"


def test_an_unrelated_rule_voids_nothing(held: Action, approval: Approval, bob: Any) -> None:
    hold_above(10, name="something else", operations="fake.invoice.find", condition="")
    vote(bob, approval)
    held.refresh_from_db()
    assert held.state == "authorized"


def test_an_operation_published_anew_supersedes_what_was_held(
    held: Action, approval: Approval, bob: Any, book: Any
) -> None:
    publish_operation(
        actor=TESTS,
        system=book["system"],
        code=book["post"].code,
        input_schema={**POST_SCHEMA, "description": "newer"},
        mapping=POST_MAPPING,
        reason="a new version",
    )
    vote(bob, approval)
    held.refresh_from_db()
    assert (held.state, held.code) == ("superseded", "operation_changed")


def test_a_pause_while_it_is_held_denies_the_approval(
    held: Action, approval: Approval, bob: Any, alice: Any, clerk: Any
) -> None:
    from agents.services import lifecycle

    lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="looking into it")
    vote(bob, approval)
    held.refresh_from_db()
    assert (held.state, held.code) == ("denied", "agent_paused")


def test_a_limit_reached_while_it_was_held_denies_the_approval(clerk: Any, rule: Any, bob: Any) -> None:
    limit("per_day", 1)
    held = ask(clerk, minor=20_000)
    assert ask(clerk, number="2", minor=500).state == "authorized"
    vote(bob, held.approval)
    held.refresh_from_db()
    assert (held.state, held.code) == ("denied", "limit_reached")
    assert Reservation.objects.count() == 1


def test_the_agent_withdraws_what_is_held(held: Action, approval: Approval, clerk: Any, bob: Any) -> None:
    withdraw_action(actor=clerk.user.as_actor(), action_id=held.pk, reason="no longer needed")
    held.refresh_from_db()
    approval.refresh_from_db()
    assert (held.state, approval.state) == ("withdrawn", "withdrawn")
    with pytest.raises(Refusal):
        vote(bob, approval)
    with pytest.raises(Refusal) as refused:
        withdraw_action(actor=clerk.user.as_actor(), action_id=held.pk, reason="again")
    assert refused.value.code == "not_held"


def test_nobody_else_withdraws_it(held: Action, alice: Any, bob: Any) -> None:
    from tests.workflows.conftest import new_agent

    other = new_agent(alice, "other")
    for actor in (other.user.as_actor(), bob.as_actor(), Actor.system("x")):
        with pytest.raises(Refusal) as refused:
            withdraw_action(actor=actor, action_id=held.pk, reason="not mine")
        assert refused.value.code == "not_found"


def test_loosening_waits_for_a_second_person_and_is_applied_by_the_vote(
    rule: Any, alice: Any, bob: Any, clerk: Any
) -> None:
    from agents.services import policies

    change = policies.propose_rule_change(
        actor=alice.as_actor(), rule=rule, changes={"condition": "amount > 30000"}, reason="too many holds"
    )
    assert not change.applied
    asked = Approval.objects.get(subject_kind="agents.changerequest")
    assert ask(clerk, number="1", minor=20_000).state == "held"
    with pytest.raises(Refusal):
        vote(alice, asked)
    vote(bob, asked)
    assert ask(clerk, number="2", minor=20_000).state == "authorized"
    change.change_request.refresh_from_db()
    assert change.change_request.state == "applied"


def test_a_rejected_change_changes_nothing(rule: Any, alice: Any, bob: Any, clerk: Any) -> None:
    from agents.services import policies

    policies.propose_rule_change(
        actor=alice.as_actor(), rule=rule, changes={"condition": "amount > 30000"}, reason="too many holds"
    )
    vote(bob, Approval.objects.get(subject_kind="agents.changerequest"), "reject")
    assert ask(clerk, minor=20_000).state == "held"


def test_the_inbox_shows_what_one_can_decide(held: Action, bob: Any, alice: Any, mallory: Any) -> None:
    from workflows.approvals.selectors import description, pending_for, visible_to

    assert list(pending_for(bob)) == [held.approval]
    assert not pending_for(alice).exists()
    assert not visible_to(mallory).exists()
    shown = description(held.approval)
    assert shown["label"] == "Invoice RE-1 of S-1"
    assert shown["amount"] == "200.00 EUR"
    assert held.approval.expires_at > held.requested_at + timedelta(hours=1)


def test_a_change_that_nobody_decides_in_time_is_closed_and_may_be_proposed_again(
    alice: Any, rule: Any, settings: Any
) -> None:
    def propose() -> Any:
        return policies.propose_rule_change(
            actor=alice.as_actor(), rule=rule, changes={"mode": "shadow"}, reason="We look at it first"
        ).change_request

    settings.APPROVAL_SECONDS = 0
    change = propose()
    assert sweep_due()["approvals_expired"] == 1
    change.refresh_from_db()
    assert (change.state, change.approver) == ("expired", None)
    assert Event.objects.filter(verb="agents.change_expired", subject_id=str(change.pk)).exists()
    assert propose().state == "pending"
