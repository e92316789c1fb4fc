from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from audit import notes, reading, selectors, visibility
from audit.models import Leaf
from audit.services.sealing import Sealer, SignedBefore
from audit.vocabulary import Ref

URL = "/api/v1/events"


@pytest.fixture
def client_of():
    def client_of(user):
        client = APIClient()
        client.force_authenticate(user)
        return client

    return client_of


@pytest.fixture
def ledger(live_db, record, number):
    for n in range(1, 6):
        record(subject=Ref("tests.thing", str(n)), payload={"n": n})
    number()


def test_a_reader_follows_the_ledger_page_by_page(ledger, auditor, client_of):
    client, after, found = client_of(auditor), 0, []
    for _ in range(4):
        body = client.get(URL, {"after": after, "limit": 2}).json()
        found += [event["position"] for event in body["events"]]
        after = body["next_after"]
    assert found == [1, 2, 3, 4, 5]
    assert after == 5


def test_the_payload_needs_a_permission_of_its_own(ledger, auditor, client_of):
    assert client_of(auditor).get(URL).json()["events"][0]["payload"] == {"n": 1}
    auditor.user_permissions.remove(auditor.user_permissions.get(codename="view_payload"))
    reader = type(auditor).objects.get(pk=auditor.pk)
    assert client_of(reader).get(URL).json()["events"][0]["payload"] is None


def test_without_the_permission_people_are_refused(ledger, mallory, client_of):
    answer = client_of(mallory).get(URL)
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
    assert "audit.view_event" in answer.json()["detail"]


def test_strangers_are_asked_to_sign_in(db):
    assert APIClient().get(URL).status_code == 401


def test_an_agent_sees_what_a_rule_shows_it_and_nothing_else(ledger, mallory, client_of, monkeypatch):
    mallory.kind = "agent"
    assert client_of(mallory).get(URL).json() == {"events": [], "next_after": 5}
    monkeypatch.setattr(visibility, "_rules", {"two": lambda user: visibility.Q(subject_id="2")})
    assert [event["position"] for event in client_of(mallory).get(URL).json()["events"]] == [2]


@pytest.mark.parametrize(
    "query",
    [
        {"after": "-1"},
        {"after": "x"},
        {"after": "1e3"},
        {"after": "9" * 30},
        {"after": "\x00"},
        {"after": "1.5"},
        {"limit": "0"},
        {"limit": "501"},
        {"colour": "red"},
        {"subject": "1"},
        {"decision": "maybe"},
        {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"limit": "٣\x00"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_the_reason(db, auditor, client_of, query):
    answer = client_of(auditor).get(URL, query)
    assert answer.status_code == (400 if "\x00" in "".join(query.values()) else 422)
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("looked", [2, 20_000])
def test_filters_keep_the_order_and_the_way_of_paging(
    live_db, record, number, auditor, client_of, monkeypatch, looked
):
    monkeypatch.setattr(reading, "MOST_LOOKED", looked)
    monkeypatch.setattr(selectors, "FEED_WINDOW", 3)
    for n in range(9):
        record(run_id="r" if n % 2 else "", decision="deny" if n % 3 == 0 else "", operation="x.y")
    number()
    client, after, found = client_of(auditor), 0, []
    for _ in range(12):
        body = client.get(URL, {"after": after, "limit": 2, "run": "r", "operation": "x.y"}).json()
        found += [event["position"] for event in body["events"]]
        if body["next_after"] == after:
            break
        after = body["next_after"]
    assert found == [2, 4, 6, 8]
    body = client.get(URL, {"decision": "deny", "subject_kind": "tests.thing", "subject": "1"}).json()
    assert body["events"][0]["position"] == 1


def test_an_event_says_what_it_is_sealed_as_and_the_columns_of_wimse(
    live_db, record, number, seal, auditor, client_of, tmp_path
):
    record(operation="x.y", delegated_id="u-1", effect="confirmed", agreement="agrees", risk={"tier": "high"})
    number()
    (event,) = client_of(auditor).get(URL).json()["events"]
    assert (event["index"], event["leaf_hash"]) == (0, None)
    assert (event["operation"], event["delegated_id"], event["effect"]) == ("x.y", "u-1", "confirmed")
    assert (event["agreement"], event["risk"], event["remedy"]) == ("agrees", {"tier": "high"}, "")
    seal(Sealer(lambda: [notes.Signer.fresh("example.com/ledger")], SignedBefore(tmp_path / "last")))
    (event,) = client_of(auditor).get(URL).json()["events"]
    assert event["leaf_hash"] == bytes(Leaf.objects.get().leaf_hash).hex()


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nobody_writes_events_over_the_api(db, auditor, client_of, method):
    assert getattr(client_of(auditor), method)(URL, {}).status_code == 405


def test_the_number_of_queries_does_not_grow_with_the_page(
    ledger, auditor, client_of, django_assert_max_num_queries
):
    client = client_of(auditor)
    with django_assert_max_num_queries(15):
        assert len(client.get(URL).json()["events"]) == 5
