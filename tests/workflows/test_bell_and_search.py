"""The bell and the search over everything: what concerns whom, what is unread, and only what is theirs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from agents.services import lifecycle, policies
from tests.company import person
from tests.workflows.conftest import ask, hold_above
from workflows.approvals.models import Approval
from workflows.approvals.services import cast_vote
from workflows.notices.models import Glance, Reading
from workflows.notices.selectors import News, is_unread
from workflows.notices.services import mark_one, note_visit, read_all
from workflows.pages.bell import Bell, unread_count
from workflows.tasks.selectors import database_now

WHY = "The auditor asked for it"
HOSTILE = '<script>alert(1)</script><b hx-get="/x">'


def browser(user):
    client = Client()
    client.force_login(user)
    return client


def text(user, name, query=""):
    answer = browser(user).get(reverse(name) + query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


@pytest.fixture
def held(clerk):
    hold_above(10_000)
    return ask(clerk, minor=20_000, number="RE-7", reason=HOSTILE)


def test_the_bell_ends_at_99():
    assert [Bell(count).words for count in (0, 7, 99, 100)] == ["0", "7", "99", "99+"]


def test_what_is_marked_by_hand_goes_before_what_was_read_up_to():
    now = timezone.now()
    assert is_unread(News(), "a", now)
    assert not is_unread(News(read_at=now), "a", now - timedelta(seconds=1))
    assert is_unread(News(read_at=now), "a", now + timedelta(seconds=1))
    assert is_unread(News(read_at=now, by_hand={"a": False}), "a", now - timedelta(days=1))
    assert not is_unread(News(by_hand={"a": True}), "a", now)


def test_what_needs_me_is_unread_until_it_is_read_and_goes_when_others_decide(held, bob):
    assert unread_count(bob) == 1
    shown = text(bob, "bell")
    assert "1 thing you have not read" in shown
    assert held.label in shown
    browser(bob).post(reverse("bell-read"), {"until": ""})
    assert unread_count(bob) == 0
    assert held.label in text(bob, "bell")
    other = person("beth", "Approvers")
    approval = Approval.objects.get(pk=held.approval_id)
    cast_vote(
        actor=other.as_actor(),
        approval_id=approval.pk,
        verdict="reject",
        reason="Not ours",
        digest=approval.digest,
    )
    shown = text(bob, "bell")
    assert "1 request no longer waits for you" in shown
    assert "Nothing waits for you" in shown


def test_what_came_after_it_was_shown_stays_unread(held, bob, clerk):
    before = database_now()
    ask(clerk, minor=30_000, number="RE-8")
    read_all(actor=bob.as_actor(), until=before - timedelta(hours=1))
    assert unread_count(bob) == 2


def test_one_thing_is_marked_read_and_unread_again(held, bob):
    key = Approval.objects.get().pk
    browser(bob).post(reverse("bell-mark", args=[key]), {"read": "yes"})
    assert unread_count(bob) == 0
    browser(bob).post(reverse("bell-mark", args=[key]), {"read": "no"})
    assert unread_count(bob) == 1
    read_all(actor=bob.as_actor())
    assert not Glance.objects.exists()
    with pytest.raises(ValueError, match="badly formed"):
        mark_one(actor=bob.as_actor(), key="x", is_read=True)


def test_news_is_of_my_agents_and_what_my_role_watches_and_never_what_i_did(alice, dave, bob, mallory, clerk):
    before = unread_count(alice)
    lifecycle.pause_agent(actor=dave.as_actor(), agent=clerk, reason="It posts twice")
    shown = text(alice, "bell")
    assert "It posts twice" in shown
    assert reverse("agent-life", args=[clerk.pk]) in shown
    assert unread_count(alice) == before + 1
    lifecycle.lift_brake(actor=alice.as_actor(), agent=clerk, reason="It is mended")
    assert unread_count(alice) == before + 1
    for other in (dave, mallory):
        assert "It posts twice" not in text(other, "bell")
    rule = hold_above(10_000)
    ruth = person("ruth", "Managers")
    before = unread_count(ruth)
    policies.propose_rule_change(actor=alice.as_actor(), rule=rule, changes={"note": "Look twice"}, reason=WHY)
    assert unread_count(ruth) >= before


def test_the_header_and_the_live_answer_say_the_same_number(held, bob):
    assert browser(bob).get(reverse("live")).json()["counts"] == {"inbox": 1, "bell": 1}
    assert '<span class="portal-badge" data-bell>1</span>' in text(bob, "activity")


def test_a_visit_is_told_from_the_one_before(bob):
    assert note_visit(actor=bob.as_actor()) is None
    reading = Reading.objects.get()
    reading.here_at = long_ago = database_now() - timedelta(hours=3)
    reading.save()
    assert note_visit(actor=bob.as_actor()) == long_ago
    assert note_visit(actor=bob.as_actor()) == long_ago


def test_the_search_finds_things_places_and_deeds(alice, bob, held):
    shown = text(alice, "search", "?q=robo")
    assert "Agents" in shown
    assert "Robo" in shown
    assert held.label in text(bob, "search", "?q=re 7")
    assert "Stop everything" in text(alice, "search", "?q=stop")
    assert "Stop everything" not in text(bob, "search", "?q=everything")
    assert "Contested rules" in text(alice, "search", "?q=contested")
    assert "Type at least two letters" in text(alice, "search", "?q=r")
    assert "Nothing found that you may see" in text(alice, "search", "?q=zzzz")
    options = text(alice, "search-parts", "?q=robo")
    assert 'role="option"' in options
    assert 'id="palette-option-0"' in options


def test_the_search_shows_nobody_what_is_not_theirs_and_hostile_words_as_words(mallory, alice, clerk):
    assert "Robo" not in text(mallory, "search", "?q=robo")
    assert "Robo" not in text(mallory, "search-parts", "?q=robo")
    hold_above(10_000, name="hostile", sentence=HOSTILE)
    for name in ("search", "search-parts"):
        shown = text(alice, name, "?q=hostile")
        assert "&lt;script&gt;" in shown
        assert "<script>alert" not in shown
        assert "<b hx-get" not in shown
    assert "<script>alert" not in text(alice, "search", f"?q={HOSTILE}")


@pytest.mark.full
def test_bell_and_search_ask_as_many_questions_for_many_as_for_one(alice, bob, clerk):
    hold_above(10_000)
    ask(clerk, minor=20_000, number="RE-0")
    client = browser(bob)
    addresses = [
        reverse("bell"),
        reverse("search") + "?q=re",
        reverse("search-parts") + "?q=re",
        reverse("live"),
    ]

    def asked(address):
        with CaptureQueriesContext(connection) as found:
            client.get(address)
        return len(found)

    for address in addresses:
        asked(address)
    before = [asked(address) for address in addresses]
    for number in range(1, 4):
        ask(clerk, minor=20_000, number=f"RE-{number}")
    assert [asked(address) for address in addresses] == before
