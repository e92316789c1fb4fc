"""A person changes what an agent asked for: another person decides on it, and the agent learns of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from agents.models import Agent, User
from agents.services import stops
from audit.models import Event
from audit.vocabulary import Refusal
from tests.company import person
from tests.workflows.conftest import ask, body, hold_above, signed_in
from tests.workflows.test_approvals import vote
from tests.workflows.test_delegations import hand_on
from tests.workflows.test_runs import begun, claim, complete, publish, step
from workflows.actions.models import Action
from workflows.actions.selectors import shown_arguments
from workflows.actions.services import edit_action, run_action, withdraw_action
from workflows.runs import services as runs
from workflows.tasks import services as tasks
from workflows.tasks.models import Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds", "hints")]
WHY = "the invoice says less"


def edit(user: User, held: Action, minor: int = 15_000, **more: Any) -> Action:
    """Change the amount of a held invoice."""
    told = {"changes": {"total": {"minor": minor}}, "reason": WHY, "digest": held.approval.digest, **more}
    return edit_action(actor=user.as_actor(), approval_id=held.approval_id, **told)


def refused(user: User, held: Action, **more: Any) -> str:
    with pytest.raises(Refusal) as caught:
        edit(user, held, **more)
    held.refresh_from_db()
    assert held.state == "held" or caught.value.code in {"approval_closed", "approval_used"}
    assert Event.objects.filter(verb="actions.edit_refused", code=caught.value.code).exists()
    return caught.value.code


@pytest.fixture
def erin(bob: Any) -> User:
    """Another approver."""
    return person("erin", "Approvers")


@pytest.fixture
def held(clerk: Any, bob: Any, erin: Any) -> Action:
    hold_above(10_000)
    return ask(clerk, minor=20_000, reason="because the supplier asks")


def test_another_person_decides_on_what_one_changed(held: Action, bob: Any, erin: Any, fake: Any) -> None:
    new = edit(bob, held)
    held.refresh_from_db()
    assert (held.state, held.code, held.replaced_by) == ("superseded", "replaced_by_person", new)
    assert "Bob changed total from 200.00 EUR to 150.00 EUR" in held.sentence
    assert WHY in held.sentence
    assert str(new.pk) in held.next_step
    assert (new.state, new.agent, new.edited_by, new.replaces) == ("held", held.agent, bob, held)
    assert new.arguments == {**held.arguments, "total": {"minor": 15_000, "currency": "EUR"}}
    assert (new.reason, new.correlation_id) == (held.reason, held.correlation_id)
    with pytest.raises(Refusal, match="who asks or is served does not approve"):
        vote(bob, new.approval)
    vote(erin, new.approval)
    assert run_action(action_id=new.pk).state == "confirmed"
    assert [effect["amount"] for effect in fake.effects] == ["150.00"]


def test_everything_about_it_is_in_the_ledger(held: Action, bob: Any) -> None:
    new = edit(bob, held)
    event = Event.objects.select_related("payload").get(verb="actions.arguments_edited")
    assert (event.action_id, event.reason, event.actor_id) == (str(new.pk), WHY, str(bob.pk))
    assert "total from 200.00 EUR to 150.00 EUR" in event.sentence
    assert event.payload.data["replaces"] == str(held.pk)
    assert Event.objects.filter(verb="approvals.approval_superseded").exists()
    assert Event.objects.filter(verb="actions.action_superseded", action_id=str(held.pk)).exists()
    assert Event.objects.filter(verb="actions.action_held", action_id=str(new.pk)).exists()


def test_what_no_rule_would_hold_waits_for_those_who_were_asked(held: Action, bob: Any, erin: Any) -> None:
    new = edit(bob, held, minor=100)
    assert (new.state, new.code, new.approval.quorum) == ("held", "edited_by_person", 1)
    assert [group.name for group in new.approval.approver_groups.all()] == ["Approvers"]
    vote(erin, new.approval)
    new.refresh_from_db()
    assert new.state == "authorized"


def test_the_rules_of_the_changed_one_decide_who_is_asked(held: Action, bob: Any) -> None:
    finance, _ = Group.objects.get_or_create(name="Finance")
    hold_above(50_000, approver_group=finance, quorum=2)
    new = edit(bob, held, minor=60_000)
    assert new.approval.quorum == 2
    assert "Finance" in {group.name for group in new.approval.approver_groups.all()}


def test_what_would_be_denied_changes_nothing(held: Action, bob: Any) -> None:
    hold_above(90_000, verdict="deny")
    assert refused(bob, held, minor=95_000) == "denied_by_rule"
    assert Action.objects.count() == 1
    held.approval.refresh_from_db()
    assert held.approval.state == "pending"


def test_who_could_not_vote_does_not_change_it(held: Action, bob: Any, mallory: Any, clerk: Any) -> None:
    assert refused(mallory, held) == "not_an_approver"
    assert refused(clerk.user, held) == "people_only"
    assert refused(bob, held, digest="0" * 64) == "digest_changed"
    assert refused(bob, held, reason="") == "reason_missing"


def test_who_it_is_done_for_does_not_change_it(clerk: Any, bob: Any) -> None:
    hold_above(10_000)
    assert refused(bob, ask(clerk, minor=20_000, on_behalf_of=str(bob.pk))) == "four_eyes"


def test_who_stands_in_is_barred_with_whom_they_stand_in_for(
    held: Action, bob: Any, dave: Any, erin: Any
) -> None:
    hand_on(bob, dave)
    new = edit(dave, held, on_behalf_of=str(bob.pk))
    assert set(new.approval.excluded_ids) >= {str(bob.pk), str(dave.pk)}
    with pytest.raises(Refusal):
        vote(bob, new.approval)


def test_who_changed_it_once_is_barred_for_good(held: Action, bob: Any, erin: Any) -> None:
    second = edit(erin, edit(bob, held), minor=14_000)
    for one in (bob, erin):
        with pytest.raises(Refusal) as caught:
            vote(one, second.approval)
        assert caught.value.code == "four_eyes"


def test_it_is_changed_five_times_at_most(held: Action) -> None:
    for number in range(5):
        held = edit(person(f"voter-{number}", "Approvers"), held, minor=19_000 - number)
    assert refused(person("voter-6", "Approvers"), held) == "edited_too_often"


def test_the_same_values_are_no_change(held: Action, bob: Any) -> None:
    assert refused(bob, held, minor=20_000) == "nothing_changed"


def test_what_does_not_fit_the_schema_is_refused(held: Action, bob: Any) -> None:
    assert refused(bob, held, changes={"surprise": 1}) == "invalid_arguments"
    assert refused(bob, held, changes={"total": None}) == "invalid_arguments"


def test_what_a_rule_hides_is_neither_seen_nor_changed(clerk: Any, bob: Any, erin: Any) -> None:
    hold_above(10_000, redact=["args.supplier"])
    held = ask(clerk, minor=20_000)
    assert refused(bob, held, changes={"supplier": "SUP-666"}) == "hidden_field"
    new = edit(bob, held)
    assert new.arguments["supplier"] == held.arguments["supplier"]
    told = str(list(Event.objects.filter(action_id=str(new.pk)).values_list("sentence", "payload__data")))
    assert held.arguments["supplier"] not in told


def test_under_a_stop_nothing_is_changed(held: Action, bob: Any, alice: Any) -> None:
    system = str(held.operation.system_id)
    stops.raise_stop(actor=alice.as_actor(), scope_kind="system", scope_id=system, reason=WHY)
    assert refused(bob, held) == "stopped"


def test_what_is_decided_is_not_changed(held: Action, bob: Any, erin: Any, clerk: Any) -> None:
    withdraw_action(actor=clerk.user.as_actor(), action_id=held.pk, reason="no longer needed")
    assert refused(bob, held) == "approval_closed"


def test_what_is_late_is_not_changed(held: Action, bob: Any, settings: Any) -> None:
    settings.APPROVAL_SECONDS = 0
    assert refused(bob, ask(held.agent, number="RE-9", minor=20_000)) == "approval_expired"


def test_rules_that_change_meanwhile_bar_the_editor_still(held: Action, bob: Any, erin: Any) -> None:
    new = edit(bob, held)
    hold_above(12_000)
    vote(erin, new.approval)
    new.refresh_from_db()
    assert new.state == "held"  # asked anew, and the old approval covers nothing
    with pytest.raises(Refusal) as caught:
        vote(bob, new.approval)
    assert caught.value.code == "four_eyes"


def test_the_database_keeps_who_changed_it(held: Action, bob: Any, erin: Any) -> None:
    new = edit(bob, held)
    for change in ({"edit_people": []}, {"edited_by": erin}, {"edit_reason": "x"}, {"replaces": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Action.objects.filter(pk=new.pk).update(**change)


def test_the_same_key_tells_the_story(clerk: Any, bob: Any, erin: Any) -> None:
    hold_above(10_000)
    client = signed_in(clerk.user)
    first = client.post("/api/v1/actions", body(minor=20_000), format="json", headers={"Idempotency-Key": "k"})
    new = edit(bob, Action.objects.get(pk=first.json()["id"]))
    again = client.post("/api/v1/actions", body(minor=20_000), format="json", headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["code"]) == (409, "replaced_by_person")
    assert again.json()["replaced_by"] == str(new.pk)
    assert "replaced by a person" in again.json()["detail"]
    told = client.get(first.json()["url"]).json()
    assert (told["state"], told["is_final"], told["replaced_by"]) == ("superseded", True, str(new.pk))
    told = client.get(f"/api/v1/actions/{new.pk}").json()
    assert (told["replaces"], told["edited_by"]) == (first.json()["id"], "Bob")


def test_a_step_goes_on_with_what_took_the_place(clerk: Any, alice: Any, bob: Any, erin: Any) -> None:
    hold_above(10_000)
    publish(alice, bob)
    run = begun(alice)
    complete(clerk, claim(clerk), kind="order")
    new = edit(bob, step(run, "enter").action, minor=11_000)
    runs.tick()
    assert step(run, "enter").action == new
    vote(erin, new.approval)
    run_action(action_id=new.pk)
    runs.tick()
    run.refresh_from_db()
    assert (step(run, "enter").state, run.state) == ("done", "done")


def test_a_task_waits_for_what_took_the_place(clerk: Agent, alice: Any, bob: Any, erin: Any) -> None:
    hold_above(10_000)
    publish(alice, bob)
    begun(alice)
    task = claim(clerk)
    held = ask(clerk, minor=20_000, task_id=str(task.pk), task_epoch=task.epoch)
    tasks.release_task(
        actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, wait_for=held.as_ref(), reason="held"
    )
    new = edit(bob, held)
    task.refresh_from_db()
    assert (task.waits_for, new.task) == (f"actions.action:{new.pk}", task)
    event = Event.objects.get(verb="tasks.task_follows")
    assert "replaced by a person" in event.sentence
    vote(erin, new.approval, "reject")
    task.refresh_from_db()
    assert (task.waits_for, task.state) == ("", Task.State.OPEN)


def test_what_was_hidden_stays_hidden_whatever_is_changed_and_decided(clerk: Any, bob: Any, erin: Any) -> None:
    hold_above(10_000, redact=["args.supplier"])
    new = edit(bob, ask(clerk, minor=20_000), minor=100)
    assert (new.code, shown_arguments(new)["supplier"]) == ("edited_by_person", "(hidden)")
    assert refused(bob, new, changes={"supplier": "SUP-666"}) in ("hidden_field", "four_eyes")
    assert refused(erin, new, changes={"supplier": "SUP-666"}) == "hidden_field"
    vote(erin, new.approval)
    new.refresh_from_db()
    assert (new.state, shown_arguments(new)["supplier"]) == ("authorized", "(hidden)")
    assert "S-1" not in new.label
