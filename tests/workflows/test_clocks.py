"""Level after level is asked, by who they are to the agent; times count in working hours, and stand still."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from agents.models import Agent, Calendar, ChangeRequest, Department, Rule, User
from agents.services import calendars, changes, leading, lifecycle, organisation, policies
from agents.services.policy_import import import_policies
from audit.models import Event
from audit.vocabulary import Refusal
from connectors.models import SystemHealth
from tests.company import TESTS, person
from tests.workflows.conftest import ask, hold_above, signed_in
from tests.workflows.test_approvals import vote
from workflows.actions.services import sweep_due
from workflows.actions.services.clocks import stand_while_paused
from workflows.approvals.models import Approval, Delegation, Escalation
from workflows.approvals.selectors import company_day, pending_for
from workflows.approvals.services import timing
from workflows.tasks.selectors import database_now

pytestmark = pytest.mark.django_db
WHY = "set up for a test"


def levels(*steps: tuple[int, str]) -> list[dict[str, str]]:
    kinds = ("sponsor", "manager", "head", "refuse")
    return [
        {
            "minutes": str(minutes),
            "to": to if to in kinds else "group",
            **({} if to in kinds else {"group": to}),
        }
        for minutes, to in steps
    ]


@pytest.fixture
def ago(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask so many minutes ago, as the clock of an approval tells it."""

    def asked(agent: Agent, minutes: int, **more: Any) -> Any:
        with monkeypatch.context() as at:
            at.setattr(timing, "database_now", lambda: database_now() - timedelta(minutes=minutes))
            return ask(agent, minor=20_000, number=f"RE-{minutes}", **more)

    return asked


@pytest.fixture
def manager(alice: User) -> User:
    """Alice, who answers for robo, reports to Maria."""
    maria = person("maria", "Bosses")
    leading.set_manager(actor=TESTS, person=alice, manager=maria, reason=WHY)
    return maria


def test_level_after_level_by_role_and_nobody_else(
    clerk: Agent, alice: User, bob: User, manager: User, ago: Any, hints: Any, holds: Any
) -> None:
    hold_above(10_000, levels=levels((60, "sponsor"), (120, "manager"), (300, "refuse")))
    fresh, late, later = (ago(clerk, minutes).approval for minutes in (0, 61, 121))
    ends = fresh.expires_at - fresh.created_at
    assert abs(ends - timedelta(minutes=300)) < timedelta(seconds=5)
    with pytest.raises(Refusal):
        vote(manager, late)
    assert sweep_due()["approvals_escalated"] == 2
    assert set(pending_for(alice)) == {late, later}
    assert list(pending_for(manager)) == [later]
    read = signed_in(manager).get(f"/api/v1/approvals/{later.pk}").json()
    assert [(one["asks"], one["person"]) for one in read["escalations"]] == [
        ("sponsor", "alice"),
        ("manager", "maria"),
    ]
    assert "the sponsor&#x27;s manager" in page_of(manager, later)
    vote(manager, later)
    later.refresh_from_db()
    assert later.state == "approved"


def page_of(user: User, approval: Approval) -> str:
    client = Client()
    client.force_login(user)
    return client.get(f"/inbox/{approval.pk}/").content.decode()


def test_who_is_missing_or_asks_is_passed_over_and_the_next_is_asked_at_once(
    clerk: Agent, alice: User, bob: User, ago: Any, hints: Any, holds: Any
) -> None:
    chief = person("charlie", "Chiefs")
    hold_above(10_000, levels=levels((30, "sponsor"), (60, "manager"), (600, "Chiefs")))
    approval = ago(clerk, 31, on_behalf_of=str(alice.pk)).approval
    sponsor, boss, _ = approval.escalations.all()
    assert "do not decide" in sponsor.passed_over
    assert "is not named" in boss.passed_over
    assert sweep_due()["approvals_escalated"] == 1
    assert list(pending_for(chief)) == [approval]
    assert not pending_for(alice).exists()
    told = Event.objects.get(verb="approvals.approval_escalated")
    assert "passed over" in told.sentence
    assert "Chiefs may vote in place of Approvers" in told.sentence
    assert "is passed over" in page_of(bob, approval)


def test_who_no_longer_works_here_when_the_time_comes_is_passed_over(
    clerk: Agent, alice: User, manager: User, ago: Any, hints: Any, holds: Any
) -> None:
    hold_above(10_000, levels=levels((60, "manager"), (90, "sponsor")))
    approval = ago(clerk, 61).approval
    User.objects.filter(pk=manager.pk).update(is_active=False)
    assert sweep_due()["approvals_escalated"] == 1
    assert list(pending_for(alice)) == [approval]


def test_at_the_end_of_the_levels_it_is_refused_and_never_approved(
    clerk: Agent, bob: User, ago: Any, hints: Any, holds: Any
) -> None:
    hold_above(10_000, levels=levels((60, "refuse")))
    action = ago(clerk, 61)
    assert sweep_due()["approvals_expired"] == 1
    action.refresh_from_db()
    assert (action.state, action.approval.state) == ("expired", "expired")


def test_to_be_made_a_manager_takes_two_people_and_nobody_is_their_own(
    seeded_company: None, alice: User, bob: User, carol: User
) -> None:
    admin = person("ada", "Administrators")
    admin.is_superuser = True
    admin.save()
    change = leading.set_manager(actor=admin.as_actor(), person=alice, manager=carol, reason=WHY)
    assert change is not None
    alice.refresh_from_db()
    assert alice.manager is None
    with pytest.raises(Refusal) as own:
        changes.apply_change(actor=carol.as_actor(), change_request=change, reason="me")
    assert own.value.code in ("own_rights", "permission_missing")
    changes.apply_change(actor=bob.as_actor(), change_request=change, reason="agreed with her")
    alice.refresh_from_db()
    assert alice.manager == carol
    with pytest.raises(Refusal) as cycle:
        leading.set_manager(actor=admin.as_actor(), person=carol, manager=alice, reason=WHY)
    assert cycle.value.code == "manager_cycle"
    assert leading.set_manager(actor=admin.as_actor(), person=alice, manager=None, reason="she left") is None
    alice.refresh_from_db()
    assert alice.manager is None
    assert alice.history.count() >= 2


def test_who_would_manage_or_head_does_not_agree_to_it_through_another_either(
    seeded_company: None, alice: User, bob: User
) -> None:
    barbara = person("barbara", "Approvers")
    today = company_day()
    Delegation.objects.create(
        giver=bob, delegate=barbara, given_by=bob, first_day=today, last_day=today, reason=WHY
    )
    admin = person("ada", "Administrators")
    User.objects.filter(pk=admin.pk).update(is_superuser=True)
    admin = User.objects.get(pk=admin.pk).as_actor()
    leading.set_manager(actor=admin, person=alice, manager=bob, reason=WHY)
    department = Department.objects.filter(manager=None)[0]
    organisation.update_department(actor=admin, department=department, values={"manager": bob}, reason=WHY)
    for asked in Approval.objects.filter(subject_kind="agents.changerequest"):
        with pytest.raises(Refusal) as refused:
            vote(barbara, asked, on_behalf_of=str(bob.pk))
        assert refused.value.code == "four_eyes"
    alice.refresh_from_db()
    assert alice.manager is None


def test_times_count_in_working_hours_and_stand_still_in_them(
    clerk: Agent, bob: User, settings: Any, hints: Any, holds: Any
) -> None:
    settings.APPROVAL_CLOCK = "working"
    settings.APPROVAL_SECONDS = 8 * 3600
    Calendar.objects.filter(is_default=True).update(
        time_zone="UTC", saturday="09:00-17:00", sunday="09:00-17:00", holidays=""
    )
    Group.objects.create(name="Chiefs")
    hold_above(10_000, clock="working", remind_minutes=60, levels=levels((120, "Chiefs")))
    approval = ask(clerk, minor=20_000).approval
    (level,) = approval.escalations.all()
    for at in (approval.expires_at, approval.remind_at, level.at):
        assert 9 <= at.hour <= 17
    assert approval.end_in_working_time
    assert level.in_working_time
    assert approval.calendar["hours"][0] == "09:00-17:00"


def test_a_department_has_its_own_hours_and_what_cannot_be_read_is_refused(
    seeded_company: None, alice: User, client: Any
) -> None:
    with pytest.raises(Exception, match="09:00-17:30"):
        calendars.save_calendar(
            actor=alice.as_actor(), values={"name": "x", "time_zone": "UTC", "monday": "nine"}, reason=WHY
        )
    client.force_login(alice)
    given = {
        "name": "Berlin",
        "time_zone": "Europe/Berlin",
        "monday": "8:00-12:00,13:00-16:00",
        "holidays": "2026-12-25 Christmas",
        "reason": WHY,
    }
    answer = client.post("/admin/agents/calendar/add/", given)
    assert answer.status_code == 302, answer.content.decode()[:3000]
    made = Calendar.objects.get(name="Berlin")
    assert (made.monday, made.tuesday, made.holidays) == (
        "08:00-12:00, 13:00-16:00",
        "",
        "2026-12-25 Christmas",
    )
    refused = client.post(f"/admin/agents/calendar/{made.pk}/change/", {**given, "holidays": "25.12.2026"})
    assert "is no date" in refused.content.decode()
    assert Event.objects.filter(verb="agents.calendar_made").count() == 1


@pytest.mark.parametrize("hindrance", ["outage", "off", "brake"])
def test_a_clock_stands_while_it_could_not_be_done(
    hindrance: str, clerk: Agent, alice: User, bob: User, hints: Any, holds: Any
) -> None:
    hold_above(10_000)
    action = ask(clerk, minor=20_000)
    system = action.operation.system
    approval = action.approval
    if hindrance == "outage":
        SystemHealth.objects.update_or_create(system=system, defaults={"opened_at": database_now()})
    elif hindrance == "off":
        type(system).objects.filter(pk=system.pk).update(is_enabled=False)
    else:
        lifecycle.pause_agent(actor=alice.as_actor(), agent=clerk, reason="it is odd")
    assert sweep_due()["clocks_stopped"] == 1
    approval.refresh_from_db()
    words = {"outage": "does not answer", "off": "is switched off", "brake": "is paused"}
    assert words[hindrance] in approval.clock_reason
    assert words[hindrance] in page_of(bob, approval)
    assert sweep_due()["clocks_started"] == 0
    SystemHealth.objects.update(opened_at=None)
    type(system).objects.filter(pk=system.pk).update(is_enabled=True)
    if hindrance == "brake":
        lifecycle.lift_brake(actor=alice.as_actor(), agent=clerk, reason="it is well")
    before = approval.expires_at
    assert sweep_due()["clocks_started"] == 1
    approval.refresh_from_db()
    assert approval.expires_at > before


def test_a_system_that_nobody_has_called_for_long_lets_no_clock_stand(
    clerk: Agent, bob: User, hints: Any, holds: Any
) -> None:
    hold_above(10_000)
    action = ask(clerk, minor=20_000)
    long_ago = database_now() - timedelta(hours=2)
    SystemHealth.objects.update_or_create(system=action.operation.system, defaults={"opened_at": long_ago})
    assert sweep_due()["clocks_stopped"] == 0


def test_a_paused_run_lets_the_clocks_of_its_requests_stand(
    clerk: Agent, bob: User, hints: Any, holds: Any
) -> None:
    hold_above(10_000)
    action = ask(clerk, minor=20_000)
    other = ask(clerk, minor=20_000, number="RE-2")
    run = "0192f2a4-7c1e-7a00-8000-000000000001"
    type(action).objects.filter(pk=action.pk).update(references={"run_id": run})
    assert stand_while_paused(run) == 1
    action.approval.refresh_from_db()
    assert "is paused" in action.approval.clock_reason
    other.approval.refresh_from_db()
    assert other.approval.clock_stopped_at is None


def test_a_file_in_the_old_form_is_still_read(seeded_company: None, alice: User) -> None:
    Group.objects.create(name="Chiefs")
    text = """kind: policy
code: late
name: Late
rules:
  - name: old
    operations: "*"
    verdict: hold
    mode: draft
    escalate_minutes: 90
    escalate_to: Chiefs
  - name: new
    operations: "*"
    verdict: hold
    mode: draft
    clock: working
    levels:
      - minutes: 60
        to: manager
      - minutes: 120
        to: group
        group: Chiefs
"""
    import_policies(actor=alice.as_actor(), text=text, reason=WHY)
    assert Rule.objects.get(name="old").levels == levels((90, "Chiefs"))
    new = Rule.objects.get(name="new")
    assert (new.clock, new.levels) == ("working", levels((60, "manager"), (120, "Chiefs")))
    assert import_policies(actor=alice.as_actor(), text=text, reason=WHY).same == 2
    for wrong in ("minutes: 0", "minutes: soon", "minutes: 600"):
        with pytest.raises(Refusal) as refused:
            import_policies(
                actor=alice.as_actor(), text=text.replace("minutes: 60\n", f"{wrong}\n"), reason=WHY
            )
        assert "next level" in str(refused.value.detail)


def test_a_manager_sets_levels_in_the_form(seeded_company: None, alice: User, client: Any) -> None:
    Group.objects.create(name="Chiefs")
    client.force_login(alice)
    given = {
        "policy": str(policies_pk()),
        "name": "late",
        "operations": "*",
        "verdict": "hold",
        "quorum": 1,
        "mode": "draft",
        "clock": "working",
        "levels-0-minutes": "60",
        "levels-0-to": "manager",
        "levels-1-minutes": "120",
        "levels-1-to": "group:Chiefs",
        "reason": WHY,
    }
    refused = client.post("/admin/agents/rule/add/", {**given, "levels-1-minutes": "30"})
    assert "must come later than the one before it" in refused.content.decode()
    made = client.post("/admin/agents/rule/add/", given)
    assert made.status_code == 302, made.content.decode()[:2000]
    rule = Rule.objects.get(name="late")
    assert (rule.clock, rule.levels) == ("working", levels((60, "manager"), (120, "Chiefs")))


def policies_pk() -> Any:
    from agents.models import Policy

    return Policy.objects.get(code="company").pk


def test_a_level_that_asks_nobody_who_exists_is_not_published(seeded_company: None) -> None:
    with pytest.raises(Refusal) as refused:
        hold_above(10_000, levels=levels((60, "Nobody there")))
    assert "There is no group" in refused.value.message
    assert not Escalation.objects.exists()
    assert not ChangeRequest.objects.exists()
    assert policies.RULE_FIELDS[-1] == "clock"
