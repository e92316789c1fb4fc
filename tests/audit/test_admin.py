from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit import notes, reading
from audit.models import Leaf
from audit.services.sealing import Sealer, SignedBefore
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
    return [line.sentence for line in answer.context["lines"]]


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
    assert sentences(reader.get(LIST, {"decision": "deny"})) == ["Third."]
    assert sentences(reader.get(LIST, {"verb": "tests.thing_refused"})) == []
    assert sentences(reader.get(LIST, {"since": "2000-01-01T00:00", "until": "2000-01-02T00:00"})) == []
    robo = {"kind": "agents.agent", "object": "0197f0c0-0000-7000-8000-000000000001"}
    assert sentences(reader.get(LIST, robo)) == ["Second."]
    assert sentences(reader.get(LIST, {**robo, "decision": "deny"})) == []


def test_somebody_is_picked_by_name_and_the_address_keeps_the_id(three, reader, alice, bob, record):
    record(actor=bob.as_actor(), sentence="Bob did.")
    answer = reader.get(LIST, {"actor": "bob"})
    assert sentences(answer) == ["Bob did."]
    assert f"actor={bob.pk}" in answer.context["addresses"]["first"]
    alice.first_name, alice.last_name = bob.first_name, bob.last_name
    alice.save(update_fields=["first_name", "last_name"])
    refused = reader.get(LIST, {"actor": str(bob)})
    assert refused.status_code == 422
    assert "Paste the id of one" in refused.content.decode()


@pytest.mark.parametrize(
    "asked",
    [
        {"before": "x"},
        {"since": "yesterday"},
        {"since": "2026-01-02T00:00", "until": "2026-01-01T00:00"},
        {"decision": "maybe"},
        {"q": "\x00"},
        {"before": "0197f0c0-0000-7000-8000-000000000001", "after": "0197f0c0-0000-7000-8000-000000000001"},
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(three, reader, asked):
    answer = reader.get(LIST, asked)
    assert answer.status_code in (400, 422)
    if answer.status_code == 422:
        assert "Nothing was looked for" in answer.content.decode()


def test_pages_go_on_from_an_entry_and_a_bounded_look_says_so(three, reader, monkeypatch):
    monkeypatch.setattr(reading, "MOST_READ", 2)
    answer = reader.get(LIST, {"q": "alice"})
    text = answer.content.decode()
    assert "Looked through the last 2 entries" in text
    assert "Look further" in text
    further = reader.get(LIST + answer.context["addresses"]["older"])
    assert sentences(further) == ["Alice paused Robo."]
    assert "Looked through" not in further.content.decode()


def test_the_page_of_an_event_says_what_it_is_sealed_as(
    live_db, record, number, seal, client, auditor, tmp_path
):
    event = record(effect="failed", agreement="differs", remedy="agent_paused", risk={"tier": "high"})
    client.force_login(auditor)
    address = reverse("admin:audit_event_change", args=[event.pk])
    assert "Not sealed yet" in client.get(address).content.decode()
    number()
    seal(Sealer(lambda: [notes.Signer.fresh("example.com/ledger")], SignedBefore(tmp_path / "last")))
    text = client.get(address).content.decode()
    assert "No. 1 under the checkpoint of 1 entries" in text
    assert bytes(Leaf.objects.get().leaf_hash).hex() in text
    assert "without trusting who runs the portal" in text
    assert "Not as decided" in text
    assert "Agent paused" in text


def test_entries_lead_to_their_story_and_say_who_and_when_in_words(reader, record):
    run = "0197f0c0-0000-7000-8000-0000000000aa"
    event = record(actor=Actor(ActorKind.AGENT, "a-1", "Robo"), sentence="Robo began.", run_id=run)
    assert f'href="/ledger/story/run/{run}/"' in reader.get(LIST).content.decode()
    page = reader.get(reverse("admin:audit_event_change", args=[event.pk])).content.decode()
    for words in ("Robo (Agent)", f"{event.occurred_at:%Y-%m-%d %H:%M:%S} UTC", "The story of this run"):
        assert words in page
    assert "room.past_tense" not in page


def test_what_can_happen_is_picked_under_the_part_of_the_portal_it_belongs_to(three, reader):
    page = reader.get(LIST, {"verb": "audit.ledger_exported"}).content.decode()
    assert '<optgroup label="Agents and people">' in page
    assert "what happened <strong>audit.ledger_exported" not in page


def test_the_list_reads_the_ledger_once_and_never_counts_it(three, reader):
    with CaptureQueriesContext(connection) as captured:
        reader.get(LIST)
    about_events = [query["sql"] for query in captured if 'FROM "audit_event"' in query["sql"]]
    assert len(about_events) == 3  # the page, whether that is all, and what the bell tells
    assert not any("COUNT(" in sql.upper() for sql in about_events)


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
    assert len(of_no_group) <= 75
    auditor.groups.add(Group.objects.get(name="Auditors"))
    with CaptureQueriesContext(connection) as of_auditors:
        reader.get(LIST)
    assert len(of_auditors) <= 32
