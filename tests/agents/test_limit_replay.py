"""A draft of a limit against calls that were made before: counted as the services count."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from agents.decision import Verdict
from agents.decision.backtest import Past, Tally
from agents.decision.limit_replay import DONE, FAILED, NOTHING, Attempt, Count, Ending, Replay
from agents.models import MeasureCounter
from agents.selectors import authority_snapshot, measure_definition
from agents.services import measures
from audit.selectors import database_now
from audit.vocabulary import Refusal
from tests.agents.authority import asked
from tests.agents.facts import NOW, measure, request
from tests.agents.test_measures import limit

MINUTE = timedelta(minutes=1)


def attempt(number: int, minutes: int = 0, lasts: int | None = 1, **changes: Any) -> Attempt:
    at = NOW + MINUTE * minutes
    past = Past(f"a{number}", replace(request(minor=100 * number), now=at), "confirmed")
    given = {"let_go": True, "came_to": DONE, **changes}
    ended = None if lasts is None else at + MINUTE * lasts
    return Attempt(past, at, ended_at=ended, **given)


def replayed(before: Any, after: Any, attempts: list[Attempt], **more: Any) -> Tally:
    tally = Tally()
    Replay(before, after, since=NOW - timedelta(days=1), currency="EUR", **more).look_at(attempts, tally)
    return tally


def test_a_lower_ceiling_refuses_what_came_later_that_day():
    some = [attempt(number, minutes=number) for number in range(4)]
    found = replayed(measure(ceiling=20), measure(ceiling=2), some)
    assert found.changes == {("allow", "deny"): 2}
    assert [one["action"] for one in found.named["allow", "deny"]] == ["a2", "a3"]
    assert "at most 2 per day; 2 used and this adds 1" in found.named["allow", "deny"][0]["sentence"]


def test_a_higher_ceiling_lets_pass_what_this_limit_alone_kept_out():
    some = [attempt(0), attempt(1, 2), attempt(2, 3, None, let_go=False, kept_out=True, came_to=NOTHING)]
    found = replayed(measure(ceiling=2), measure(ceiling=3), some)
    assert found.changes == {("deny", "allow"): 1}


def test_what_others_kept_out_counts_nowhere():
    some = [attempt(number, number, let_go=False, came_to=NOTHING) for number in range(5)]
    found = replayed(None, measure(ceiling=1), some)
    assert (found.looked_at, found.changes) == (5, {})


def test_what_is_under_way_counts_until_it_ends():
    running = measure(unit="running", window="ever", ceiling=1)
    found = replayed(None, running, [attempt(0, 0, 10), attempt(1, 5, 1), attempt(2, 11, 1)])
    assert [one["action"] for one in found.named["allow", "deny"]] == ["a1"]


def test_failures_in_a_row_end_with_a_success():
    row = measure(unit="failures", window="ever", ceiling=2, on_exceed="hold")
    ends = [FAILED, FAILED, FAILED, DONE, FAILED, FAILED, FAILED]
    some = [attempt(number, number * 5, came_to=end) for number, end in enumerate(ends)]
    found = replayed(None, row, some)
    assert [one["action"] for one in found.named["allow", "hold"]] == ["a2", "a3", "a6"]
    assert sum(found.holds.values()) == 3


def test_each_key_and_each_window_by_itself():
    apart = measure(key="args.number", ceiling=1)
    assert replayed(None, apart, [attempt(1), attempt(2)]).changes == {("allow", "deny"): 1}
    hourly = measure(window="hour", ceiling=1)
    assert replayed(None, hourly, [attempt(1), attempt(2, 29), attempt(3, 31)]).changes == {
        ("allow", "deny"): 1
    }
    rolling = measure(window="rolling", window_seconds=600, ceiling=1)
    assert replayed(None, rolling, [attempt(1), attempt(2, 9), attempt(3, 11)]).changes == {
        ("allow", "deny"): 1
    }


def test_what_was_before_the_period_counts_and_is_not_listed():
    tally = Tally()
    replay = Replay(None, measure(ceiling=1), since=NOW + MINUTE * 30)
    replay.look_at([attempt(1), attempt(2, 5), attempt(3, 40)], tally)
    assert [one["action"] for one in tally.named["allow", "deny"]] == ["a3"]


LIMITS = [
    {},
    {"window": "hour"},
    {"window": "ever", "key": "args.supplier"},
    {"window": "rolling", "window_seconds": 900},
    {"unit": "failures", "window": "ever"},
    {"unit": "running", "window": "ever"},
    {"unit": "records", "amount": "size(args.supplier)"},
    {"window": "call"},
]
attempts = st.lists(
    st.builds(
        attempt,
        st.integers(0, 10**6),
        lasts=st.sampled_from([None, 0, 1, 5, 120]),
        came_to=st.sampled_from([DONE, FAILED, NOTHING]),
        let_go=st.booleans(),
        kept_out=st.booleans(),
        records=st.sampled_from([None, 0, 7]),
    ),
    max_size=25,
)


@given(attempts, st.sampled_from(LIMITS), st.integers(0, 25), st.integers(0, 3))
def test_in_slices_it_is_the_same_as_at_once(some, given_limit, cut, ceiling):
    some = [
        replace(one, at=NOW + MINUTE * number, past=replace(one.past, action_id=f"a{number}"))
        for number, one in enumerate(some)
    ]
    before, after = measure(ceiling=2), measure(**{"ceiling": ceiling, **given_limit})
    at_once = replayed(before, after, some)
    tally, told = Tally(), {}
    for part in (some[:cut], some[cut:]):
        replay = Replay(before, after, since=NOW - MINUTE, currency="EUR")
        replay.go_on(json.loads(json.dumps(told)))
        replay.look_at(part, tally)
        told = replay.as_json()
    assert tally.as_json() == at_once.as_json()


@given(attempts, st.sampled_from(LIMITS), st.integers(0, 5))
def test_the_same_limit_changes_nothing_and_a_looser_one_refuses_no_more(some, given_limit, ceiling):
    some = [replace(one, at=NOW + MINUTE * number, kept_out=False) for number, one in enumerate(some)]
    same = measure(**{"ceiling": ceiling, **given_limit})
    assert replayed(same, same, some).changes == {}
    # Where what counts rolls on or is of any size, what a looser one lets pass may be in the way later.
    if same.unit == "count" and same.window != "rolling":
        looser = replayed(same, replace(same, ceiling=ceiling + 3), some)
        assert ("allow", "deny") not in looser.changes


@pytest.mark.django_db
@pytest.mark.parametrize("given", [one for one in LIMITS if one.get("window") != "call"])
def test_it_counts_exactly_as_the_services_do(working, given):
    """The same calls, at random, through the counters of the database and through the replay."""
    stored = limit(**{"ceiling": 3, **given})
    snapshot, definition = authority_snapshot(), measure_definition(stored)
    chance, count, open_calls = random.Random(str(given)), Count(definition, snapshot.time_zone), {}
    for number in range(40):
        name = f"a{number}"
        now = database_now()
        asking = replace(asked(working, supplier=chance.choice(["ACME", "Bolt"])), now=now)
        read = measures.readings(asking, snapshot)["per_day"]
        assert count.standing(read.key, now) == (read.reserved, read.settled), number
        try:
            with transaction.atomic():
                measures.reserve(action_id=name, request=asking, snapshot=snapshot)
        except Refusal:
            assert read.exceeded
        else:
            assert not read.exceeded
            count.reserve(name, read.key, read.amount, now)
            open_calls[name] = (now, read)
        while open_calls and chance.random() < 0.6:
            ended = chance.choice(sorted(open_calls))
            since, was = open_calls.pop(ended)
            came_to = chance.choice([DONE, FAILED, NOTHING])
            records = 2 if came_to == DONE and given.get("unit") == "records" else None
            if came_to == DONE:
                measures.settle(action_id=ended, records=records)
            else:
                (measures.fail if came_to == FAILED else measures.release)(action_id=ended)
            count.close(Ending(now, ended, was.key, since, was.amount, came_to, records))
    if given.get("window") != "rolling":
        kept = {
            (row.key, row.window_start): [row.reserved, row.settled] for row in MeasureCounter.objects.all()
        }
        assert {place: row for place, row in count.fixed.items() if any(row)} == {
            place: row for place, row in kept.items() if any(row)
        }


def test_verdicts_are_those_of_the_limit():
    for on_exceed, after in (("deny", Verdict.DENY), ("hold", Verdict.HOLD), ("pause", Verdict.DENY)):
        found = replayed(None, measure(ceiling=0, on_exceed=on_exceed), [attempt(1)])
        assert found.changes == {("allow", after.value): 1}
