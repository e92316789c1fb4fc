"""Events as files: what one may see, safe in a spreadsheet, and never without an event of it."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.core.management import call_command

from audit.models import Event
from audit.services import downloading

HOSTILE = '=HYPERLINK("http://evil.example")'


@pytest.fixture
def reader(client, auditor):
    client.force_login(auditor)
    return client


@pytest.fixture
def some(db, record):
    record(sentence=HOSTILE, decision="deny", payload={"n": 1})
    record(sentence="Second.", reason="-1 of it")


def text_of(answer):
    return b"".join(answer.streaming_content).decode()


def test_a_list_is_downloaded_as_csv_that_no_spreadsheet_runs(some, reader):
    answer = reader.get("/ledger/download.csv", {"decision": "deny"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="ledger-')
    (row,) = csv.DictReader(io.StringIO(text_of(answer)))
    assert row["sentence"] == f"'{HOSTILE}"
    assert row["payload"] == '{"n":1}'
    assert (row["position"], row["index"], row["leaf_hash"]) == ("", "", "")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "\n=1", "\uff1d1", "\uff20x"])
def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe(text):
    assert downloading.safe_cell(text) == f"'{text}"
    assert downloading.safe_cell("a=1") == "a=1"
    assert downloading.safe_cell(-1) == -1


def test_json_lines_have_every_column_and_the_payload_only_with_its_permission(some, reader, auditor):
    rows = [json.loads(line) for line in text_of(reader.get("/ledger/download.jsonl")).splitlines()]
    assert [row["sentence"] for row in rows] == ["Second.", HOSTILE]
    assert set(rows[0]) == {*downloading.COLUMNS, "payload"}
    assert rows[1]["payload"] == {"n": 1}
    auditor.user_permissions.remove(auditor.user_permissions.get(codename="view_payload"))
    rows = [json.loads(line) for line in text_of(reader.get("/ledger/download.jsonl")).splitlines()]
    assert "payload" not in rows[0]


def test_a_download_is_an_event_that_says_what_was_asked_for(some, reader, auditor):
    text_of(reader.get("/ledger/download.csv", {"decision": "deny"}))
    event = Event.objects.select_related("payload").get(verb=downloading.DOWNLOADED)
    assert event.actor_id == str(auditor.pk)
    assert "decision: Denied" in event.sentence
    assert event.payload.data["filters"] == {"Decision": "Denied"}


def test_no_more_lines_than_the_most_and_the_command_line_has_no_most(some, reader, monkeypatch, tmp_path):
    monkeypatch.setattr(downloading, "MOST_LINES", 1)
    assert len(text_of(reader.get("/ledger/download.jsonl")).splitlines()) == 1
    file = tmp_path / "events.jsonl"
    call_command("list_events", output=file)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["verb"] for row in rows].count("tests.thing_done") == 2
    call_command("list_events", output=file, format="csv", decision="deny")
    assert len(file.read_text().splitlines()) == 2


def test_what_makes_no_sense_is_refused_and_nothing_is_recorded(some, reader):
    answer = reader.get("/ledger/download.csv", {"since": "yesterday"})
    assert answer.status_code == 422
    assert "Nothing was downloaded" in answer.content.decode()
    assert not Event.objects.filter(verb=downloading.DOWNLOADED).exists()


def test_without_the_permission_nothing_is_downloaded(some, client, mallory):
    client.force_login(mallory)
    assert client.get("/ledger/download.csv").status_code == 403
