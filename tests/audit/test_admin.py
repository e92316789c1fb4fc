from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.vocabulary import Actor, ActorKind, Ref

LIST = reverse("admin:audit_event_changelist")


@pytest.fixture
def three(db, record):
    return [
        record(actor=Actor(ActorKind.PERSON, "u-1", "Alice"), sentence="Alice paused Robo.", decision="allow"),
        record(subject=Ref("agents.agent", "0197f0c0-0000-7000-8000-000000000001", "Robo"), sentence="Second."),
        record(
            sentence="Third.", code="no_grant", decision="deny", payload={"html": "<script>alert(1)</script>"}
        ),
    ]


@pytest.fixture
def reader(client, auditor):
    client.force_login(auditor)
    return client


def sentences(answer):
    return [event.sentence for event in answer.context["cl"].result_list]


def test_the_newest_comes_first(three, reader):
    assert sentences(reader.get(LIST)) == ["Third.", "Second.", "Alice paused Robo."]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("alice", ["Alice paused Robo."]),
        ("0197f0c0-0000-7000-8000-000000000001", ["Second."]),
        ("0197F0C0-0000-7000-8000-000000000001", ["Second."]),
        ("no_grant", ["Third."]),
        ("tests.thing_done", ["Third.", "Second.", "Alice paused Robo."]),
        ("tests.", ["Third.", "Second.", "Alice paused Robo."]),
        ("agents.", []),
        ("robo", ["Second.", "Alice paused Robo."]),
        ("%", []),
    ],
)
def test_search_finds_names_words_codes_verbs_and_ids(three, reader, query, expected):
    assert sentences(reader.get(LIST, {"q": query})) == expected


def test_filters_narrow_the_list(three, reader):
    assert sentences(reader.get(LIST, {"decision__exact": "deny"})) == ["Third."]
    assert sentences(reader.get(LIST, {"verb": "tests.thing_refused"})) == []
    day = {"occurred_at_from_0": "2000-01-01", "occurred_at_to_0": "2000-01-02"}
    assert (
        sentences(reader.get(LIST, {**day, "occurred_at_from_1": "00:00", "occurred_at_to_1": "00:00"})) == []
    )


def test_the_list_reads_the_ledger_once_and_never_counts_it(three, reader):
    with CaptureQueriesContext(connection) as captured:
        reader.get(LIST)
    about_events = [query["sql"] for query in captured if 'FROM "audit_event"' in query["sql"]]
    assert len(about_events) == 1
    assert "COUNT(" not in about_events[0].upper()


def test_the_page_of_an_event_shows_its_payload_as_text(three, reader):
    page = reader.get(reverse("admin:audit_event_change", args=[three[2].pk])).content.decode()
    assert "&lt;script&gt;" in page
    assert "<script>alert(1)" not in page


def test_the_payload_needs_a_permission_of_its_own(three, reader, auditor):
    auditor.user_permissions.remove(auditor.user_permissions.get(codename="view_payload"))
    page = reader.get(reverse("admin:audit_event_change", args=[three[2].pk])).content.decode()
    assert "alert(1)" not in page


def test_a_page_that_never_changes_offers_no_history(three, reader):
    answer = reader.get(reverse("admin:audit_event_change", args=[three[0].pk]))
    assert reverse("admin:audit_event_history", args=[three[0].pk]) not in answer.content.decode()


def test_the_list_says_no_number_of_entries_and_a_time_to_the_second(three, reader):
    text = reader.get(LIST, {"q": "paused"}).content.decode()
    assert "100000" not in text
    assert "Show all" not in text
    assert three[0].occurred_at.strftime("%H:%M:%S") in text


def test_an_empty_answer_says_what_to_do(three, reader):
    text = reader.get(LIST, {"q": "nobodywrotethis"}).content.decode()
    assert "Nothing matches" in text
    assert "yielded" not in text


def test_nobody_writes_events_in_the_admin(three, reader):
    change = reverse("admin:audit_event_change", args=[three[0].pk])
    assert reader.post(change, {"sentence": "x"}).status_code == 403
    assert reader.get(reverse("admin:audit_event_add")).status_code == 403
    assert (
        reader.post(reverse("admin:audit_event_delete", args=[three[0].pk]), {"post": "yes"}).status_code == 403
    )
    reader.post(LIST, {"action": "delete_selected", "_selected_action": [three[0].pk], "post": "yes"})
    assert len(sentences(reader.get(LIST))) == 3


def test_without_the_permission_the_ledger_is_closed(three, client, mallory):
    client.force_login(mallory)
    assert client.get(LIST).status_code == 403


def test_the_permission_alone_shows_no_row(three, client, auditor):
    auditor.user_permissions.remove(auditor.user_permissions.get(codename="view_every_event"))
    client.force_login(auditor)
    assert sentences(client.get(LIST)) == []
    page = client.get(reverse("admin:audit_event_change", args=[three[0].pk]))
    assert page.status_code == 302


def test_what_the_menu_asks_does_not_grow_with_who_asks(three, reader, auditor):
    """One question a list at most for a person of no standard group; hardly any for the standard auditor."""
    with CaptureQueriesContext(connection) as of_no_group:
        reader.get(LIST)
    assert len(of_no_group) <= 54
    auditor.groups.add(Group.objects.get(name="Auditors"))
    with CaptureQueriesContext(connection) as of_auditors:
        reader.get(LIST)
    assert len(of_auditors) <= 15
