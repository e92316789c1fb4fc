"""The first page for each who works here: what waits, what is wrong, what changed, and numbers of their own."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import Department
from agents.services import lifecycle
from tests.company import new_agent, person
from tests.workflows.conftest import ask, hold_above
from workflows.approvals.services import give_delegation
from workflows.notices.models import Reading
from workflows.pages.home_figures import Number, at_most
from workflows.tasks.selectors import database_now


def browser(user):
    client = Client()
    client.force_login(user)
    return client


def home(user):
    answer = browser(user).get(reverse("home"))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_each_sees_the_numbers_of_what_they_answer_for(alice, bob, carol, dave, mallory, clerk):
    hold_above(10_000)
    ask(clerk, minor=20_000)
    shown = {user.username: home(user) for user in (alice, bob, carol, dave, mallory)}
    assert "agents I answer for" in shown["alice"]
    assert "wait for me" in shown["bob"]
    assert "changes of authority in 30 days" in shown["carol"]
    assert "actions in doubt" in shown["dave"]
    assert "portal-home-figures" not in shown["mallory"]
    assert "You have no rights here yet" in shown["mallory"]
    assert "actions in doubt" not in shown["bob"]


def test_the_way_in_is_shown_to_who_may_take_it_until_it_is_taken(alice, bob, clerk):
    shown = home(alice)
    for words in ("Where to begin", "Connect a system", "Start a workflow", "check_circle"):
        assert words in shown
    assert "Connect a system" not in home(bob)


def test_what_changed_is_of_the_time_since_the_last_visit_and_my_agents_come_first(alice, dave, clerk):
    assert "You were last here" not in home(alice)
    Reading.objects.filter(pk=alice.pk).update(here_at=database_now() - timedelta(hours=2))
    other = new_agent(person("olga", "Managers"), "other")
    lifecycle.pause_agent(actor=dave.as_actor(), agent=other, reason="Not mine to answer for")
    lifecycle.pause_agent(actor=dave.as_actor(), agent=clerk, reason="It posts twice")
    lifecycle.lift_brake(actor=alice.as_actor(), agent=clerk, reason="This was me myself")
    shown = home(alice)
    assert "What people did since you were here" in shown
    assert shown.index("It posts twice") < shown.index("Not mine to answer for")
    assert "This was me myself" not in shown


def test_who_decides_for_whom_is_said(alice, bob, clerk):
    today = database_now().date()
    give_delegation(
        actor=bob.as_actor(), delegate=person("beth", "Approvers"), first_day=today + timedelta(days=1),
        last_day=today + timedelta(days=3), reason="On holiday",
    )  # fmt: skip
    assert "You will be away from" in home(bob)


def test_who_heads_a_department_sees_it(alice, carol, clerk):
    assert "My departments" not in home(carol)
    Department.objects.filter(pk=clerk.department_id).update(manager=carol)
    assert "My departments" in home(carol)


def test_a_count_ends(db, clerk):
    new_agent(clerk.sponsor, "second")
    agents = type(clerk).objects.all()
    assert str(at_most(agents, 1)) == "1+"
    assert str(at_most(agents, 2)) == "2"
    assert not Number(0)


def test_many_agents_and_actions_cost_as_many_questions_as_one(alice, clerk):
    hold_above(10_000)
    ask(clerk, minor=20_000, number="RE-0")
    client = browser(alice)

    def asked():
        with CaptureQueriesContext(connection) as found:
            client.get(reverse("home"))
        return len(found)

    asked()
    before = asked()
    for number in range(3):
        new_agent(alice, f"more-{number}")
        ask(clerk, minor=20_000, number=f"RE-1{number}")
    assert asked() == before
