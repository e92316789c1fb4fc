"""The list of runs: what each filter finds, the order, page by page, and the file."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.urls import reverse

from audit.models import Event
from tests.workflows.conftest import hold_above
from tests.workflows.test_pages_runs import browser, read, workflow
from tests.workflows.test_runs import begun, claim, complete
from workflows.runs.models import Run

__all__ = ["workflow"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


def listed(user: Any, **query: str) -> set[str]:
    """Return the keys of the runs that the list shows."""
    page = read(user, "runs", **query)
    return {run.key for run in Run.objects.all() if reverse("run", args=[run.pk]) + '"' in page}


def rows(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


@pytest.fixture
def three(workflow, alice, dave, clerk) -> dict[str, Run]:
    """One that is offered, one that stopped, one that is done."""
    hold_above(10_000)
    done = begun(alice, key="done-1", topic="nuts")
    complete(clerk, claim(clerk), kind="chat", pages=1)
    stopped = begun(alice, key="stopped-1", topic="bolts")
    complete(clerk, claim(clerk), kind="chat")
    return {"offered": begun(alice, key="offered-1", topic="screws"), "stopped": stopped, "done": done}


FOUND = (
    ({}, {"offered-1", "stopped-1"}),
    ({"show": "incident"}, {"stopped-1"}),
    ({"show": "done"}, {"done-1"}),
    ({"show": "ended"}, {"done-1"}),
    ({"show": "cancelled"}, set()),
    ({"show": "all"}, {"offered-1", "stopped-1", "done-1"}),
    ({"show": "all", "text": "DONE-"}, {"done-1"}),
    ({"show": "all", "text": "stopped-"}, {"stopped-1"}),
    ({"show": "all", "agent": "robo"}, {"stopped-1", "done-1"}),
    ({"show": "all", "agent": "nobody of this name"}, set()),
    ({"waits": "agent"}, {"offered-1"}),
    ({"waits": "people"}, set()),
    ({"waits": "signal"}, set()),
    ({"show": "all", "workflow": "letters"}, {"offered-1", "stopped-1", "done-1"}),
    ({"show": "all", "since": "2020-01-01", "until": "2020-12-31"}, set()),
    ({"show": "all", "since": "2020-01-01"}, {"offered-1", "stopped-1", "done-1"}),
    ({"show": "all", "since": "yesterday", "workflow": "x"}, {"offered-1", "stopped-1", "done-1"}),
)


def test_each_filter_finds_what_it_says(three, carol, monkeypatch):
    for query, found in FOUND:
        assert listed(carol, **query) == found, query
    assert listed(carol, show="all", text=str(three["done"].pk)) == {"done-1"}
    assert "Take the filters away" in read(carol, "runs", text="no such words")
    assert "No run is paused" in read(carol, "runs", show="paused")
    monkeypatch.setattr("workflows.pages.run_list.ON_A_PAGE", 2)
    assert f"from={three['stopped'].pk}" in read(carol, "runs", show="all")
    assert listed(carol, show="all", **{"from": str(three["stopped"].pk)}) == {"done-1"}
    assert listed(carol, show="all", order="oldest") == {"done-1", "stopped-1"}
    after = {"from": str(three["stopped"].pk), "order": "oldest", "show": "all"}
    assert listed(carol, **after) == {"offered-1"}


def test_what_waits_for_people_is_found_while_they_decide(workflow, alice, carol, clerk):
    hold_above(10_000)
    begun(alice, key="held-1")
    complete(clerk, claim(clerk), kind="order")
    assert listed(carol, waits="people") == {"held-1"}


def test_the_file_holds_what_is_shown_and_is_on_record(three, carol, mallory, alice):
    begun(alice, key="=1+1", topic="=cmd()")
    answer = browser(carol).get(reverse("runs-file"), {"show": "all", "text": "="})
    (row,) = rows(answer)
    assert row["workflow"] == "Answer letters"
    assert not row["name"].startswith("=")
    event = Event.objects.get(verb="runs.list_downloaded")
    assert event.actor_id == str(carol.pk)
    assert event.payload.data["filters"] == {"State": "All", "Words or id": "="}
    assert len(rows(browser(carol).get(reverse("runs-file"), {"show": "all"}))) == 4
    assert rows(browser(mallory).get(reverse("runs-file"), {"show": "all"})) == []


@pytest.mark.parametrize("many", [1, 5])
def test_the_list_costs_the_same_for_few_and_for_many(
    many, workflow, alice, carol, django_assert_max_num_queries
):
    for number in range(many):
        begun(alice, key=f"letter-{number}")
    client = browser(carol)
    query = {"show": "all", "text": "letter", "agent": "robo", "waits": "agent", "workflow": "letters"}
    client.get(reverse("runs"), query)
    with django_assert_max_num_queries(40):
        client.get(reverse("runs"), query)
