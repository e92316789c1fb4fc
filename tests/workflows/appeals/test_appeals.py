"""An agent contests a denial, people answer, and several appeals become a proposed change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.models import ChangeRequest, Rule
from agents.services import stops
from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.conftest import ask, grant, hold_above, limit, new_agent
from workflows.actions.selectors import visible_to as visible_actions
from workflows.appeals.models import Appeal, Proposal
from workflows.appeals.selectors import clusters_for, visible_to
from workflows.appeals.services import (
    answer_appeal,
    contest_action,
    contesting,
    dismiss_proposal,
    sweep_appeals,
    take_up_proposal,
)
from workflows.pages.shelves import work_for
from workflows.tasks import registry
from workflows.tasks.models import Task
from workflows.tasks.registry import on_holder_told
from workflows.tasks.selectors import database_now
from workflows.tasks.selectors import visible_to as visible_tasks
from workflows.tasks.services import cancel_task, claim_task, complete_task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
WHY = "The supplier raised its prices; the order says 10,400."


@pytest.fixture
def large(clerk: Any) -> Rule:
    """Nobody posts more than 100.00, says a rule that a manager built in the form."""
    return hold_above(
        10_000,
        name="No large invoices",
        sentence="",
        condition="",
        field="amount",
        comparison="above",
        value="100.00",
        verdict="deny",
    )


def contested(agent: Any, minor: int = 12_300, number: str = "RE-1", reason: str = WHY) -> Appeal:
    action = ask(agent, minor=minor, number=number)
    assert action.state == "denied"
    return contest_action(actor=agent.user.as_actor(), action_id=action.pk, reason=reason)


def refusal_of(work: Any) -> Refusal:
    with pytest.raises(Refusal) as found:
        work()
    return found.value


def test_people_see_the_appeals_of_the_actions_and_of_the_work_they_see(
    large, clerk, alice, bob, carol, dave, mallory
):
    contested(clerk)
    contested(new_agent(bob, "rita"), number="RE-2")
    for user in (alice, bob, carol, dave, mallory):
        work = visible_tasks(user).filter(subject_kind="appeals.appeal")
        of_work = Appeal.objects.filter(task__in=list(work.values_list("pk", flat=True)))
        of_actions = Appeal.objects.filter(action__in=list(visible_actions(user).values_list("pk", flat=True)))
        plain = set(of_work) | set(of_actions)
        sees_all = user.has_perm("appeals.view_appeal")
        assert set(visible_to(user)) == (set(Appeal.objects.all()) if sees_all else plain), user
    assert visible_to(alice).count() == 2
    assert not visible_to(mallory).exists()


class TestContesting:
    def test_a_denial_by_a_rule_is_put_to_who_may_publish_it_and_stays_a_denial(self, large, clerk, alice, bob):
        appeal = contested(clerk)
        assert appeal.grounds == [
            {
                "kind": "rule",
                "id": str(large.pk),
                "name": "No large invoices",
                "shape": "amount above 100.00",
                "value": 12_300,
                "shown": "123.00 EUR",
            }
        ]
        assert [task.pk for task in work_for(alice)] == [appeal.task.pk]
        assert appeal.task not in work_for(bob)
        assert appeal.task.input["the_agent_says"] == WHY
        assert "amount above 100.00" in appeal.task.input["denied"]
        appeal.action.refresh_from_db()
        assert appeal.action.state == "denied"
        event = Event.objects.get(verb="appeals.appeal_made")
        assert (event.reason, event.action_id) == (WHY, str(appeal.action_id))

    def test_what_a_rule_hides_is_hidden_here_too(self, clerk):
        hold_above(
            0, name="No euros", sentence="", condition="", field="args.total.currency", comparison="equal",
            value="EUR", verdict="deny", redact=["args.total"],
        )  # fmt: skip
        (ground,) = contested(clerk).grounds
        assert (ground["value"], ground["shown"]) == (None, "")

    def test_it_is_contested_once(self, large, clerk):
        first = contested(clerk)
        again = refusal_of(
            lambda: contest_action(actor=clerk.user.as_actor(), action_id=first.action_id, reason="Once more")
        )
        assert (again.code, again.kind) == ("already_contested", "conflict")
        assert again.detail["appeal"]["id"] == str(first.pk)
        with pytest.raises(IntegrityError), transaction.atomic():
            Appeal.objects.create(action=first.action, agent=clerk, operation_code="x", reason="again")

    def test_only_its_own_and_only_by_an_agent(self, large, clerk, alice):
        action = ask(clerk)
        other = new_agent(alice, "other")
        for actor in (other.user.as_actor(), alice.as_actor()):
            assert (
                refusal_of(lambda a=actor: contest_action(actor=a, action_id=action.pk, reason=WHY)).code
                == "not_found"
            )

    def test_a_stop_and_what_was_not_denied_are_not_contested(self, clerk, alice):
        allowed = ask(clerk)
        stops.raise_stop(
            actor=alice.as_actor(), scope_kind="everything", scope_id="", reason="An audit is going on"
        )
        stopped = ask(clerk, number="RE-2")
        assert stopped.code == "stopped"
        for action in (allowed, stopped):
            found = refusal_of(
                lambda a=action: contest_action(actor=clerk.user.as_actor(), action_id=a.pk, reason=WHY)
            )
            assert found.code == "not_contestable"
        assert Event.objects.filter(verb="appeals.appeal_refused").count() == 2

    def test_a_missing_grant_is_put_to_who_answers_for_the_agent(self, book, robo, alice):
        appeal = contested(robo)
        assert appeal.action.code == "no_grant"
        assert appeal.grounds[0]["kind"] == "grant"
        assert [task.pk for task in work_for(robo.sponsor)] == [appeal.task.pk]
        assert not Proposal.objects.exists()

    def test_a_limit_is_contested_too(self, clerk, alice):
        per_day = limit("per_day", 0)
        appeal = contested(clerk)
        assert [(one["kind"], one["id"], one["value"]) for one in appeal.grounds] == [
            ("limit", str(per_day.pk), 1)
        ]

    def test_a_flood_is_refused_with_a_clear_word(self, large, clerk, settings, monkeypatch):
        settings.APPEALS_PER_DAY = 2
        for number in range(2):
            contested(clerk, number=f"RE-{number}")
        found = refusal_of(lambda: contested(clerk, number="RE-9"))
        assert (found.code, found.kind) == ("too_many_appeals", "limited")
        later = database_now() + timedelta(hours=25)
        monkeypatch.setattr(contesting, "database_now", lambda: later)
        contested(clerk, number="RE-10")

    @pytest.mark.parametrize("reason", ["", "   no ", "x" * 2001, "a reason with \x00"])
    def test_a_reason_has_bounds(self, large, clerk, reason):
        assert refusal_of(lambda: contested(clerk, reason=reason)).code == "reason_invalid"

    def test_what_was_said_never_changes(self, large, clerk):
        appeal = contested(clerk)
        for change in ({"reason": "another"}, {"grounds": []}):
            with pytest.raises(IntegrityError), transaction.atomic():
                Appeal.objects.filter(pk=appeal.pk).update(**change)
        with pytest.raises(IntegrityError), transaction.atomic():
            Appeal.objects.filter(pk=appeal.pk).delete()


class TestAnswering:
    @pytest.mark.parametrize("decision", ["upheld", "ask_again", "change_rule"])
    def test_an_answer_reaches_the_agent_and_allows_nothing(self, large, clerk, alice, decision):
        appeal = contested(clerk)
        found = answer_appeal(
            actor=alice.as_actor(), appeal_id=appeal.pk, decision=decision, reason="I looked at the order"
        )
        assert (found.state, found.answer, found.answered_by) == (decision, "I looked at the order", alice)
        appeal.action.refresh_from_db()
        assert appeal.action.state == "denied"
        assert ask(clerk).state == "denied"
        assert visible_to(clerk.user).get().next_step == found.next_step
        again = refusal_of(
            lambda: answer_appeal(
                actor=alice.as_actor(), appeal_id=appeal.pk, decision="upheld", reason="Once more"
            )
        )
        assert again.code == "appeal_answered"
        with pytest.raises(IntegrityError), transaction.atomic():
            Appeal.objects.filter(pk=appeal.pk).update(state="ask_again")

    def test_the_task_of_the_inbox_answers_it_as_well(self, large, clerk, alice):
        appeal = contested(clerk)
        task = claim_task(actor=alice.as_actor(), task_id=appeal.task.pk)
        complete_task(
            actor=alice.as_actor(),
            task_id=task.pk,
            epoch=task.epoch,
            answer={"decision": "ask_again", "reason": "Ask for 99.00"},
        )
        appeal.refresh_from_db()
        assert (appeal.state, appeal.answer) == ("ask_again", "Ask for 99.00")

    def test_only_those_it_is_put_to_answer(self, large, clerk, bob, mallory):
        appeal = contested(clerk)
        for actor in (bob.as_actor(), mallory.as_actor(), clerk.user.as_actor()):
            found = refusal_of(
                lambda a=actor: answer_appeal(
                    actor=a, appeal_id=appeal.pk, decision="ask_again", reason="Let it"
                )
            )
            assert found.code in ("task_not_yours", "agents_refused")

    def test_what_is_taken_away_lapses(self, large, clerk, alice):
        appeal = contested(clerk)
        claim_task(actor=alice.as_actor(), task_id=appeal.task.pk)
        cancel_task(actor=alice.as_actor(), task_id=appeal.task.pk, reason="Not now")
        appeal.refresh_from_db()
        assert (appeal.state, appeal.answered_by) == ("lapsed", None)


class TestItsClock:
    def test_people_are_reminded_once_when_it_ends_soon(self, large, clerk):
        task = contested(clerk).task
        assert sweep_appeals() == {"reminded": 0, "lapsed": 0}
        Task.objects.filter(pk=task.pk).update(due_at=timezone.now() + timedelta(hours=1))
        assert sweep_appeals() == {"reminded": 1, "lapsed": 0}
        assert sweep_appeals() == {"reminded": 0, "lapsed": 0}
        assert Event.objects.filter(verb="tasks.task_reminded", subject_id=str(task.pk)).count() == 1

    def test_what_nobody_answers_lapses_and_its_agent_hears_so(self, large, clerk, alice):
        appeal = contested(clerk)
        heard: list[Any] = []
        on_holder_told(lambda *told: heard.append(told[1:]))
        try:
            Task.objects.filter(pk=appeal.task.pk).update(due_at=timezone.now())
            assert sweep_appeals() == {"reminded": 0, "lapsed": 1}
        finally:
            registry._holders.pop()
        appeal.refresh_from_db()
        assert (appeal.state, appeal.answer) == ("lapsed", "Nobody answered in time.")
        assert (str(clerk.user_id), "appeal_answered", "lapsed") in heard
        assert (
            refusal_of(
                lambda: answer_appeal(
                    actor=alice.as_actor(), appeal_id=appeal.pk, decision="upheld", reason=WHY
                )
            ).code
            == "appeal_answered"
        )


@pytest.fixture
def two(clerk, book, alice) -> Any:
    """A second agent with the same grant."""
    other = new_agent(alice, "second")
    grant(other, book["post"])
    return other


class TestProposals:
    def three(self, one: Any, other: Any) -> list[Appeal]:
        return [
            contested(one, 10_400, "RE-1"),
            contested(one, 11_000, "RE-2"),
            contested(other, 12_300, "RE-3"),
        ]

    def test_three_by_two_agents_propose_the_smallest_change_and_change_nothing(self, large, clerk, two, alice):
        contested(clerk, 10_400, "RE-1")
        contested(clerk, 11_000, "RE-2")
        assert not Proposal.objects.exists()
        contested(two, 12_300, "RE-3")
        proposal = Proposal.objects.get()
        assert proposal.changes["value"] == "130.00"
        assert (proposal.cases, proposal.state) == (3, "open")
        large.refresh_from_db()
        assert large.value == "100.00"
        assert not ChangeRequest.objects.exists()
        (cluster,) = clusters_for(alice)
        assert len(cluster.agents) == 2

    def test_it_is_taken_up_by_the_usual_way_and_waits_for_a_second_person(self, large, clerk, two, alice, bob):
        self.three(clerk, two)
        proposal = Proposal.objects.get()
        assert (
            refusal_of(
                lambda: take_up_proposal(actor=bob.as_actor(), proposal_id=proposal.pk, reason="Let it be")
            ).code
            == "permission_missing"
        )
        found, outcome = take_up_proposal(
            actor=alice.as_actor(), proposal_id=proposal.pk, reason="Prices rose", value="125.00"
        )
        assert not outcome.applied
        assert found.change_request == ChangeRequest.objects.get()
        assert outcome.change_request.payload["value"] == "125.00"
        assert outcome.change_request.state == "pending"
        large.refresh_from_db()
        assert large.value == "100.00"
        assert (
            refusal_of(
                lambda: take_up_proposal(actor=alice.as_actor(), proposal_id=proposal.pk, reason="Once more")
            ).code
            == "proposal_closed"
        )

    def test_what_people_uphold_proposes_nothing(self, large, clerk, two, alice):
        appeals = self.three(clerk, two)
        answer_appeal(
            actor=alice.as_actor(), appeal_id=appeals[0].pk, decision="upheld", reason="The rule is right"
        )
        assert Proposal.objects.get().state == "gone"
        assert Event.objects.filter(verb="appeals.proposal_gone").count() == 1

    def test_what_was_put_aside_needs_new_appeals(self, large, clerk, two, alice):
        self.three(clerk, two)
        dismiss_proposal(actor=alice.as_actor(), proposal_id=Proposal.objects.get().pk, reason="Not this year")
        contested(clerk, 10_500, "RE-4")
        assert Proposal.objects.filter(state="open").count() == 0
        contested(two, 10_600, "RE-5")
        contested(two, 10_700, "RE-6")
        assert Proposal.objects.get(state="open").cases == 3

    def test_a_limit_is_proposed_to_be_raised(self, clerk, two, alice):
        limit("per_day", 0)
        self.three(clerk, two)
        proposal = Proposal.objects.get()
        assert proposal.changes == {"ceiling": 3}
        _, outcome = take_up_proposal(actor=alice.as_actor(), proposal_id=proposal.pk, reason="More work")
        assert outcome.change_request.payload == {"ceiling": 3}

    def test_a_proposal_that_is_closed_stays_closed(self, large, clerk, two, alice):
        self.three(clerk, two)
        proposal = dismiss_proposal(
            actor=alice.as_actor(), proposal_id=Proposal.objects.get().pk, reason="Later"
        )
        with pytest.raises(IntegrityError), transaction.atomic():
            Proposal.objects.filter(pk=proposal.pk).update(state="open", decided_at=None)
