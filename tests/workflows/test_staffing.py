"""Employment where it meets work: evidence, breaches, hand-overs, tasks for people, and the race."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from agents import registry, selectors
from agents.models import Agent, Certificate, OAuthApplication, Role, User
from agents.services import attesting, changes, credentials, lifecycle, people, probation, sponsors, terms
from agents.services.handing_over import Settlement
from audit.vocabulary import Refusal
from connectors.models import OperationUserObjectPermission
from tests.workflows.conftest import TESTS, ask, grant, hold_above, limit, new_agent
from tests.workflows.held import rita, task
from tests.workflows.test_races import meanwhile
from workflows.actions.models import Action
from workflows.actions.services import executing, run_action
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.runs.models import Step
from workflows.staffing.services import leaving, sweep_employment
from workflows.tasks.models import Task
from workflows.tasks.services import claim_task, complete_task

__all__ = ["rita", "task"]
WHY = "Because the test says so"


@pytest.fixture(autouse=True)
def _hints(hints: Any) -> None:
    """Nothing is sent to workers."""


def again(agent: Agent) -> Agent:
    return Agent.objects.select_related("sponsor", "deputy", "user", "role", "department").get(pk=agent.pk)


def waiting(kind: str) -> list[Task]:
    return list(Task.objects.filter(subject_kind=kind, state__in=Task.WAITING))


def secret_of(agent: Agent, by: Any) -> None:
    """Give an agent a secret, with what it signs in with."""
    OAuthApplication.objects.create(agent=agent, user=agent.user, name=agent.code)
    credentials.issue_client_secret(actor=by.as_actor(), agent=again(agent), reason=WHY)


def deactivate(person: User, by: Any) -> None:
    people.update_person(actor=by.as_actor(), person=person, changes={"is_active": False}, reason=WHY)


@pytest.mark.django_db
class TestProbation:
    def test_it_holds_what_the_contract_would_allow_and_goes_through_when_approved(
        self, clerk: Agent, alice: Any, bob: Any, fake: Any
    ) -> None:
        assert ask(clerk, number="RE-0").state == "authorized"
        probation.demote_agent(actor=alice.as_actor(), agent=clerk, to="probation", reason=WHY)
        action = ask(clerk)
        assert (action.state, action.code) == ("held", "probation_hold")
        approval = Approval.objects.get(pk=action.approval_id)
        cast_vote(
            actor=bob.as_actor(), approval_id=approval.pk, verdict="approve", digest=approval.digest, reason=WHY
        )
        assert run_action(action_id=action.pk).state == "confirmed"

    def test_what_was_authorized_before_is_decided_again(self, clerk: Agent, alice: Any, fake: Any) -> None:
        action = ask(clerk)
        assert action.state == "authorized"
        probation.demote_agent(actor=alice.as_actor(), agent=clerk, to="read_only", reason=WHY)
        assert run_action(action_id=action.pk).state == "denied"
        assert fake.count() == 0


@pytest.mark.django_db
class TestRecord:
    def test_evidence_is_counted_from_what_happened(self, clerk: Agent, alice: Any, bob: Any) -> None:
        probation.demote_agent(actor=alice.as_actor(), agent=clerk, to="probation", reason=WHY)
        clerk = again(clerk)
        limit("per_day", 2)
        for number, verdict in (("RE-1", "approve"), ("RE-2", "reject"), ("RE-3", "")):
            action = ask(clerk, number=number)
            if verdict:
                approval = Approval.objects.get(pk=action.approval_id)
                cast_vote(
                    actor=bob.as_actor(),
                    approval_id=approval.pk,
                    verdict=verdict,
                    digest=approval.digest,
                    reason=WHY,
                )
        found = selectors.evidence_of(clerk)
        assert (found.asked, found.held, found.approved, found.rejected) == (3, 3, 1, 1)
        assert found.median_seconds is not None
        change = probation.propose_promotion(actor=alice.as_actor(), agent=clerk, reason=WHY)
        assert change.payload["evidence"] == found.as_data()

    def test_too_many_calls_above_a_limit_put_it_back_by_the_clock(self, clerk: Agent, alice: Any) -> None:
        terms.set_terms(actor=TESTS, role=None, values={"limits": 2, "breach_then": "read_only"}, reason=WHY)
        Agent.objects.filter(pk=clerk.pk).update(created_at=timezone.now() - timedelta(days=1))
        limit("per_day", 1)
        states = [ask(clerk, number=str(number)).state for number in range(3)]
        assert states == ["authorized", "denied", "denied"]
        assert registry.breach_counts(clerk, again(clerk).created_at)["limits"] == 2
        assert sweep_employment()["breaches"] == 1
        assert again(clerk).autonomy == "read_only"
        (told,) = waiting("agents.agent")
        assert list(told.candidate_users.all()) == [alice]
        assert "2 calls above a limit" in told.body
        assert sweep_employment()["breaches"] == 0


@pytest.mark.django_db
class TestAttestation:
    @pytest.fixture
    def due(self, clerk: Agent) -> Agent:
        Agent.objects.filter(pk=clerk.pk).update(attest_by=timezone.now().date() + timedelta(days=10))
        return again(clerk)

    def test_the_sponsor_is_asked_once_before_it_is_due(self, due: Agent, alice: Any) -> None:
        assert [sweep_employment().get("attestations_asked") for _ in range(2)] == [1, 0]
        (asked,) = waiting("agents.attestation")
        assert list(asked.candidate_users.all()) == [alice]
        assert asked.due_at is not None

    def test_it_is_closed_by_confirming_and_by_nothing_else(self, due: Agent, alice: Any) -> None:
        sweep_employment()
        (asked,) = waiting("agents.attestation")
        claimed = claim_task(actor=alice.as_actor(), task_id=asked.pk)
        with pytest.raises(Refusal) as refusal:
            complete_task(actor=alice.as_actor(), task_id=asked.pk, epoch=claimed.epoch, reason=WHY)
        assert refusal.value.code == "decided_elsewhere"
        digest = selectors.contract_of(due).digest
        attesting.attest_agent(actor=alice.as_actor(), agent=due, still_needed=True, digest=digest, reason=WHY)
        asked.refresh_from_db()
        assert asked.state == Task.State.DONE

    def test_overdue_it_falls_and_its_people_are_told(self, clerk: Agent, alice: Any, bob: Any) -> None:
        late = timezone.now().date() - timedelta(days=8)
        Agent.objects.filter(pk=clerk.pk).update(attest_by=late, deputy=bob)
        assert sweep_employment()["overdue"] == 1
        assert again(clerk).autonomy == "read_only"
        (told,) = waiting("agents.agent")
        assert set(told.candidate_users.all()) == {alice, bob}
        assert waiting("agents.attestation"), "and it is still to be confirmed"

    def test_what_it_needs_no_longer_is_revoked(self, due: Agent, alice: Any) -> None:
        attesting.attest_agent(
            actor=alice.as_actor(),
            agent=due,
            still_needed=True,
            digest=selectors.contract_of(due).digest,
            take_away=["fake.invoice.post"],
            reason=WHY,
        )
        assert ask(due).code == "no_grant"

    def test_a_probation_past_its_plan_goes_on_and_its_sponsor_is_told_once(self, clerk: Agent) -> None:
        now = timezone.now()
        Agent.objects.filter(pk=clerk.pk).update(probation_since=now, probation_until=now.date())
        assert [sweep_employment().get("probations_asked") for _ in range(2)] == [1, 0]
        assert again(clerk).on_probation


@pytest.mark.django_db
class TestSponsorLeaves:
    def test_the_deputy_is_asked_and_it_is_closed_when_somebody_answers(
        self, clerk: Agent, alice: Any, bob: Any, mallory: Any, admin_user: Any
    ) -> None:
        Agent.objects.filter(pk=clerk.pk).update(deputy=mallory)
        deactivate(alice, admin_user)
        assert ask(clerk).code == "sponsor_inactive"
        (asked,) = waiting("agents.takeover")
        assert list(asked.candidate_users.all()) == [mallory]
        change = sponsors.propose_takeover(actor=mallory.as_actor(), agent=again(clerk), reason=WHY)
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        asked.refresh_from_db()
        assert asked.state == Task.State.DONE
        assert ask(clerk, number="RE-2").code == "autonomy_read_only", "that is given back by another change"

    def test_without_a_deputy_the_head_of_the_department_else_the_managers(
        self, clerk: Agent, alice: Any, dave: Any, admin_user: Any
    ) -> None:
        deactivate(alice, admin_user)
        (asked,) = waiting("agents.takeover")
        assert [group.name for group in asked.candidate_groups.all()] == ["Managers"]
        Task.objects.filter(pk=asked.pk).delete()
        clerk.department.manager = dave
        clerk.department.save()
        sponsors.drop_agents_of(actor=TESTS, person=User.objects.get(pk=alice.pk), reason=WHY)
        (asked,) = waiting("agents.takeover")
        assert list(asked.candidate_users.all()) == [dave]

    def test_the_clock_finds_who_left_by_another_way(self, clerk: Agent, alice: Any) -> None:
        User.objects.filter(pk=alice.pk).update(is_active=False)
        assert sweep_employment()["sponsors_gone"] == 1
        assert again(clerk).autonomy == "read_only"
        assert len(waiting("agents.takeover")) == 1
        sweep_employment()
        assert len(waiting("agents.takeover")) == 1

    def test_its_deputy_is_asked_to_confirm_it_once_and_for_all(
        self, clerk: Agent, alice: Any, bob: Any, admin_user: Any
    ) -> None:
        Agent.objects.filter(pk=clerk.pk).update(attest_by=timezone.now().date(), deputy=bob)
        sweep_employment()
        deactivate(alice, admin_user)
        assert not waiting("agents.attestation")
        sweep_employment()
        (asked,) = waiting("agents.attestation")
        assert list(asked.candidate_users.all()) == [bob]
        sweep_employment()
        assert waiting("agents.attestation") == [asked]

    def test_coming_back_gives_nothing_back(self, clerk: Agent, alice: Any, admin_user: Any) -> None:
        User.objects.filter(pk=alice.pk).update(is_active=False)
        person = User.objects.get(pk=alice.pk)
        people.update_person(
            actor=admin_user.as_actor(), person=person, changes={"is_active": True}, reason=WHY
        )
        assert again(clerk).autonomy == "read_only"


@pytest.mark.django_db
class TestRetiring:
    def test_what_it_has_is_listed_with_what_becomes_of_it(self, task: Task, clerk: Agent, alice: Any) -> None:
        hold_above(100)
        held = ask(clerk)
        secret_of(clerk, alice)
        items = {item.key: item for item in registry.handover_items(again(clerk))}
        assert {key for key, item in items.items() if item.blocking} == {f"task:{task.pk}", f"action:{held.pk}"}
        assert {"agents.secrets", "connectors.grants"} <= set(items)
        assert all(item.becomes for item in items.values())
        with pytest.raises(Refusal) as refusal:
            lifecycle.retire_agent(actor=alice.as_actor(), agent=clerk, reason=WHY)
        assert refusal.value.code == "handover_open"
        assert again(clerk).lifecycle == "active"

    def test_it_is_handed_over_or_left_and_its_access_is_checked(
        self, task: Task, clerk: Agent, rita: Agent, alice: Any
    ) -> None:
        hold_above(100)
        held = ask(clerk)
        secret_of(clerk, alice)
        settled = {
            f"task:{task.pk}": Settlement(reason="Rita knows it", to=rita),
            f"action:{held.pk}": Settlement(reason="Nobody wants it"),
        }
        lifecycle.retire_agent(actor=alice.as_actor(), agent=clerk, reason=WHY, settled=settled)
        task.refresh_from_db()
        held.refresh_from_db()
        assert list(task.candidate_users.all()) == [rita.user]
        assert held.state == Action.State.WITHDRAWN
        assert not OperationUserObjectPermission.objects.filter(user=clerk.user).exists()
        certificate = Certificate.objects.get(kind="retirement")
        assert f"given to {rita.name}, because Rita knows it" in certificate.text
        assert "no secret of it is valid" in certificate.text
        assert (
            "taken away: 1, left: 0; operations it could use that are refused now: 1 of 1" in certificate.text
        )

    def test_it_is_handed_only_to_who_may_have_it_and_whoever_does_that_is_behind_it(
        self, task: Task, clerk: Agent, rita: Agent, alice: Any
    ) -> None:
        def retire(to: Agent) -> None:
            settled = {f"task:{task.pk}": Settlement(reason=WHY, to=to)}
            lifecycle.retire_agent(actor=alice.as_actor(), agent=clerk, reason=WHY, settled=settled)

        other = new_agent(alice, "other")
        role = Role.objects.create(code="other", name="Other", group=Group.objects.create(name="Role: other"))
        Agent.objects.filter(pk=other.pk).update(role=role)
        with pytest.raises(Refusal) as refusal:
            retire(again(other))
        assert refusal.value.code == "cannot_take_it"
        retire(rita)
        assert Step.objects.get(task=task).run.interventions.get().by == alice

    def test_what_is_left_goes_back_to_its_candidates(
        self, task: Task, clerk: Agent, alice: Any, rita: Agent
    ) -> None:
        settled = {f"task:{task.pk}": Settlement(reason="Anybody may")}
        lifecycle.retire_agent(actor=alice.as_actor(), agent=clerk, reason=WHY, settled=settled)
        task.refresh_from_db()
        assert (task.state, task.claimed_by) == (Task.State.OPEN, None)

    def test_no_flood_keeps_it_in_office(
        self, clerk: Agent, alice: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leaving, "MOST", 2)
        hold_above(100)
        for number in range(4):
            ask(clerk, number=f"RE-{number}")
        items = {it.key: it for it in registry.handover_items(clerk) if it.blocking}
        assert items["more:waiting-actions"].label == "2 more waiting actions"
        settled = {key: Settlement(reason=WHY) for key in items}
        lifecycle.retire_agent(actor=alice.as_actor(), agent=clerk, reason=WHY, settled=settled)
        assert set(Action.objects.values_list("state", flat=True)) == {"withdrawn"}
        assert again(clerk).lifecycle == "retired"

    def test_the_only_one_of_a_role_that_a_workflow_needs(
        self, task: Task, clerk: Agent, rita: Agent, alice: Any
    ) -> None:
        assert not [it for it in registry.handover_items(clerk) if it.key.startswith("workflow:")]
        lifecycle.retire_agent(actor=alice.as_actor(), agent=rita, reason=WHY)
        (only,) = [it for it in registry.handover_items(clerk) if it.key.startswith("workflow:")]
        assert only.blocking
        assert "the only agent of the role Bookkeeper" in only.label

    @pytest.mark.parametrize("whom", ["itself", "retired"])
    def test_it_is_handed_to_another_agent_at_work_only(
        self, task: Task, clerk: Agent, rita: Agent, alice: Any, whom: str
    ) -> None:
        Agent.objects.filter(pk=rita.pk).update(lifecycle="retired")
        to = again(clerk if whom == "itself" else rita)
        with pytest.raises(Refusal) as refusal:
            lifecycle.retire_agent(
                actor=alice.as_actor(),
                agent=clerk,
                reason=WHY,
                settled={f"task:{task.pk}": Settlement(reason=WHY, to=to)},
            )
        assert refusal.value.code == "handover_unfit"

    def test_nothing_changes_while_something_of_it_would_still_work(
        self, clerk: Agent, alice: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(registry, "_withdraw", [])
        with pytest.raises(Refusal) as refusal:
            lifecycle.retire_agent(actor=alice.as_actor(), agent=clerk, reason=WHY)
        assert refusal.value.code == "revocation_incomplete"
        assert "a grant of its own" in refusal.value.message
        assert again(clerk).lifecycle == "active"


@pytest.mark.django_db
class TestPages:
    def test_the_sponsor_reads_its_life_and_confirms_it(self, clerk: Agent, client: Any, mallory: Any) -> None:
        Agent.objects.filter(pk=clerk.pk).update(sponsor=mallory, attest_by=timezone.now().date())
        sweep_employment()
        client.force_login(mallory)
        (asked,) = waiting("agents.attestation")
        page = reverse("agent-life", args=[clerk.pk])
        assert client.get(reverse("inbox-task", args=[asked.pk])).url == page
        shown = client.get(page).content.decode()
        assert "Confirm that it is still needed" in shown
        assert "Retire it" not in shown
        assert 'value="fake.invoice.post"' in shown
        address = reverse("agent-live-attest", args=[clerk.pk])
        body = {"digest": selectors.contract_of(clerk).digest, "reason": WHY}
        refused = client.post(address, body)
        assert refused.status_code == 422
        assert "say that Robo still needs what it may do" in refused.content.decode()
        assert client.post(address, {**body, "still_needed": "on"}).status_code == 302
        certificate = Certificate.objects.get()
        printed = client.get(reverse("certificate-page", args=[certificate.pk])).content.decode()
        assert "Robo is still needed" in printed
        assert certificate.digest in printed

    def test_a_manager_retires_it_there_item_by_item(
        self, task: Task, clerk: Agent, rita: Agent, alice: Any, client: Any
    ) -> None:
        client.force_login(alice)
        shown = client.get(reverse("agent-life", args=[clerk.pk])).content.decode()
        assert f'value="task:{task.pk}"' in shown
        address = reverse("agent-live-retire", args=[clerk.pk])
        assert client.post(address, {"item": f"task:{task.pk}", "reason": WHY}).status_code == 409
        body = {"item": f"task:{task.pk}", "to-0": rita.code, "why-0": WHY, "reason": WHY}
        assert client.post(address, {**body, "to-0": "nobody"}).status_code == 422
        assert client.post(address, body).status_code == 302
        assert again(clerk).lifecycle == "retired"
        shown = client.get(reverse("agent-life", args=[clerk.pk])).content.decode()
        assert "Retirement" in shown
        own = shown.partition("</main>")[0].partition('id="content"')[2]
        assert "<form" not in own.partition("portal-contract")[2]

    def test_two_people_promote_it_there(self, clerk: Agent, alice: Any, bob: Any, client: Any) -> None:
        client.force_login(alice)
        for verb, more in (("demote", {"to": "probation"}), ("promote", {})):
            answer = client.post(reverse(f"agent-live-{verb}", args=[clerk.pk]), {"reason": WHY, **more})
            assert answer.status_code == 302, answer.content
        change = selectors.pending_promotion(clerk)
        assert change is not None
        assert (
            "Waits for a second person" in client.get(reverse("agent-life", args=[clerk.pk])).content.decode()
        )
        changes.apply_change(actor=bob.as_actor(), change_request=change, reason=WHY)
        assert not again(clerk).on_probation

    def test_who_does_not_see_the_agent_sees_nothing_of_it(
        self, clerk: Agent, client: Any, mallory: Any, alice: Any
    ) -> None:
        probation.demote_agent(actor=alice.as_actor(), agent=clerk, to="read_only", reason=WHY)
        client.force_login(mallory)
        kept = Certificate.objects.get()
        for address in (
            reverse("agent-life", args=[clerk.pk]),
            reverse("certificate-page", args=[kept.pk]),
            f"/api/v1/certificates/{kept.pk}",
        ):
            assert client.get(address).status_code == 404


@pytest.mark.usefixtures("live_db", "holds")
class TestTheRace:
    def test_after_a_sponsor_has_left_nothing_is_dispatched(self, clerk: Agent, alice: Any, fake: Any) -> None:
        root = User.objects.create_superuser("root", password="x")
        first, second = ask(clerk, number="RE-1"), ask(clerk, number="RE-2")
        with meanwhile(lambda: deactivate(alice, root)) as leaving:
            claimed = executing._begin(first.pk)
        assert leaving.waited, "what had begun is let through"
        executing.perform(claimed)
        first.refresh_from_db()
        assert (first.state, fake.count()) == ("confirmed", 1)
        assert run_action(action_id=second.pk).state == "denied"
        assert fake.count() == 1

    def test_a_dispatch_that_comes_while_they_leave_waits_and_is_denied(
        self, clerk: Agent, alice: Any, fake: Any
    ) -> None:
        root = User.objects.create_superuser("root", password="x")
        action = ask(clerk)
        with meanwhile(lambda: run_action(action_id=action.pk).state) as dispatch:
            deactivate(alice, root)
        assert (dispatch.waited, dispatch.answer, fake.count()) == (True, "denied", 0)


@pytest.mark.django_db
def test_groups_hold_the_rights_of_employment() -> None:
    def held(group: str) -> set[str]:
        return set(Group.objects.get(name=group).permissions.values_list("codename", flat=True))

    assert {"promote_agent", "demote_agent", "change_lifecycleterms"} <= held("Managers")
    assert "demote_agent" in held("Operators")
    assert "promote_agent" not in held("Operators")


@pytest.mark.django_db
def test_another_agent_of_the_role_takes_nothing_by_itself(clerk: Agent, alice: Any, book: Any) -> None:
    """Handing over gives work, never a right: the receiver needs its own grant."""
    other = new_agent(alice, "otto")
    lifecycle.retire_agent(actor=alice.as_actor(), agent=clerk, reason=WHY)
    assert ask(other).code == "no_grant"
    grant(other, book["post"])
    assert ask(other, number="RE-2").state == "authorized"
