"""A feed of what happened: its filters hold for what is read and what comes live; nothing is skipped."""

from __future__ import annotations

import uuid

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from audit import following
from audit.models import Event
from audit.selectors import newest_position
from audit.services import record_event
from audit.services.sequencing import sequence_pending
from audit.vocabulary import Actor, Ref
from tests.audit.conftest import role
from tests.company import new_agent
from workflows.pages.feed import CHOICES, KINDS, SEVERITIES, Filter, row_of, rows_before

HOSTILE = '<img src=x onerror=alert(1)><b hx-get="/x" hx-trigger="load">\u202e\x1b[31m'
WHAT = (
    ("actions.action_confirmed", "actions.action", ""),
    ("actions.action_failed", "actions.action", ""),
    ("actions.action_held", "actions.action", "hold"),
    ("agents.call_refused", "agents.agent", "deny"),
    ("agents.agent_paused", "agents.agent", ""),
    ("runs.run_started", "runs.run", ""),
    ("connectors.breaker_opened", "connectors.system", ""),
    ("connectors.call_finished", "connectors.system", ""),
    ("tasks.task_opened", "tasks.task", ""),
    ("approvals.vote_cast", "approvals.approval", ""),
    ("audit.content_erased", "audit.event", ""),
)


@pytest.fixture
def happened(live_db, carol):
    """Three times everything, about two agents and two runs, and numbered."""
    agents = [str(new_agent(carol, f"feeder{number}").pk) for number in range(2)]
    runs = [str(uuid.uuid4()) for _ in range(2)]
    with transaction.atomic():
        for number in range(3 * len(WHAT)):
            verb, kind, decision = WHAT[number % len(WHAT)]
            record_event(
                actor=Actor.system("engine"),
                verb=verb,
                subject=Ref(kind, str(number), HOSTILE),
                sentence=f"{number} {HOSTILE}",
                agent_id=agents[number % 2],
                run_id=runs[number % 2],
                action_id=str(uuid.uuid4()) if kind == "actions.action" else "",
                decision=decision,
            )
    with role(live_db, "sequencer"):
        while sequence_pending(limit=1000):
            pass
    return agents, runs


def browser(user):
    client = Client()
    client.force_login(user)
    return client


def is_wanted(row, wanted):
    """Say the same as ``isWanted`` in feed.ts."""
    return (
        (not wanted.agent or row.agent == wanted.agent)
        and (not wanted.run or row.run == wanted.run)
        and (not wanted.kind or row.kind == wanted.kind)
        and (not wanted.severity or row.severity in ("trouble", wanted.severity))
        and wanted.show.key in row.shows
    )


def test_every_filter_means_the_same_live_and_read(happened):
    agents, runs = happened
    rows = [row_of(event) for event in Event.objects.with_position().filter(placement__isnull=False)]
    ways = [Filter(show=choice) for choice in CHOICES]
    ways += [Filter(kind=kind) for kind in KINDS] + [Filter(severity=graver) for graver in SEVERITIES]
    ways += [Filter(agent=agents[0]), Filter(run=runs[1]), Filter(agent=agents[1], kind="work")]
    for wanted in ways:
        read = set(Event.objects.filter(wanted.condition()).values_list("pk", flat=True))
        live = {uuid.UUID(row.key) for row in rows if is_wanted(row, wanted)}
        assert read == live, wanted


def test_pages_go_back_to_the_beginning_and_skip_nothing(happened, carol):
    wanted, found, before = Filter(show=CHOICES[-1], agent=happened[0][0]), [], ""
    while True:
        page = rows_before(carol, wanted, before, size=4)
        found += [row.key for row in page.rows]
        if not (before := page.older):
            break
    assert found == [str(key) for key in Event.objects.filter(wanted.condition()).values_list("pk", flat=True)]
    assert found == sorted(found, reverse=True)
    asked = {"show": "steps", "agent": happened[0][0], "before": found[3]}
    answer = browser(carol).get(reverse("activity-rows"), asked).json()
    assert [row["key"] for row in answer["rows"]] == found[4:]
    assert answer["older"] == ""


def test_the_gap_is_read_in_order_and_says_how_far(happened, carol):
    address, client, after, found = reverse("activity-rows"), browser(carol), 0, []
    while after < newest_position():
        answer = client.get(address, {"show": "steps", "after": after}).json()
        assert answer["after"] == after < answer["upto"]
        found += [row["position"] for row in answer["rows"]]
        after = answer["upto"]
    wanted = Event.objects.filter(Filter(show=CHOICES[-1]).condition())
    assert found == sorted(wanted.values_list("placement__position", flat=True))
    assert client.get(address, {"after": after}).json() == {"rows": [], "after": after, "upto": after}


def test_words_of_others_are_text_on_the_page_and_filters_survive(happened, carol):
    page = (
        browser(carol).get(f"{reverse('activity')}?agent=FEEDER1&kind=work&severity=nonsense").content.decode()
    )
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert f"agent={happened[0][1]}&amp;kind=work" in page
    unknown = browser(carol).get(reverse("activity"), {"agent": HOSTILE}).content.decode()
    assert "No agent that you may see is called" in unknown
    assert "<img src=x" not in unknown


def test_a_page_of_the_feed_costs_the_same_for_few_and_for_many(happened, carol, django_assert_max_num_queries):
    client = browser(carol)
    client.get(reverse("activity"))
    with django_assert_max_num_queries(40) as few:
        client.get(f"{reverse('activity')}?show=held")
    with django_assert_max_num_queries(40) as many:
        client.get(f"{reverse('activity')}?show=steps")
    assert abs(len(many) - len(few)) <= 1


def test_what_somebody_may_see_is_one_statement_that_says_the_same(happened, carol, bob, mallory):
    newest = newest_position()
    for user in (carol, bob, mallory):
        sight = following.sight_of(user)
        seen = following.Event.objects.filter(following.visibility.visible_to(user), placement__position__gt=2)
        wanted = sorted(seen.values_list("placement__position", flat=True))
        assert (sight.positions(2, newest) if sight else []) == wanted
    assert following.sight_of(carol) == following.sight_of(carol)
