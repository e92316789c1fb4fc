"""How approvals go, in numbers: pure, so that what people are told about each other can be checked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.load_plain import grouped
from workflows.approvals.policies.load import (
    FEW,
    Decided,
    Thresholds,
    figures_of,
    forecast,
    too_quick,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday


def some(number: int, *, approved: bool = True, seconds: float | None = 60.0, **more) -> list[Decided]:
    return [Decided("bob", approved, seconds, **more) for _ in range(number)]


decided = st.builds(
    Decided,
    st.sampled_from(["a", "b"]),
    st.booleans(),
    st.none() | st.floats(0, 86_400),
    st.tuples(st.sampled_from(["x", "y"])),
    st.booleans(),
)


@given(st.lists(decided, max_size=60))
def test_shares_are_shares_and_few_are_not_judged(votes):
    found = figures_of(votes)
    shares = (found.unopened_share, found.override_rate, found.reversed_share)
    assert all(0 <= share <= 1 for share in shares if share is not None)
    assert found.decided == len(votes) >= found.approved
    if len(votes) < FEW:
        assert shares == (None, None, None)
        assert found.median_seconds is None
    by_person = grouped(votes, lambda one: [one.person])
    assert sum(one.decided for one in by_person.values()) == len(votes)


def test_half_decided_faster_than_the_median_and_what_was_never_open_has_no_time():
    found = figures_of([*some(3, seconds=2), *some(3, seconds=10), *some(4, seconds=None)])
    assert found.median_seconds == 6
    assert found.unopened_share == 0.4


@pytest.mark.parametrize(
    ("votes", "words"),
    [
        (some(20, seconds=3), "half of 20 decisions took 3 seconds or less"),
        (some(20, seconds=5), ""),
        (some(19, seconds=1), ""),
        ([*some(16, seconds=None), *some(4)], "80 % of 20 approvals"),
        ([*some(15, seconds=None), *some(5)], ""),
        (some(20, approved=False, seconds=60), ""),
        ([], ""),
    ],
)
def test_what_looks_unread_is_said_in_words_and_only_of_many(votes, words):
    said = too_quick(figures_of(votes), Thresholds())
    assert said.startswith(words)
    assert bool(said) is bool(words)


@given(st.lists(decided, max_size=60), st.integers(1, 200), st.integers(0, 100))
def test_stricter_thresholds_never_say_less(votes, decisions, percent):
    found = figures_of(votes)
    mild, strict = Thresholds(decisions, 5, percent), Thresholds(decisions, 10, percent)
    assert not too_quick(found, mild) or too_quick(found, strict)


def test_what_will_wait_follows_the_hours_of_the_last_weeks():
    arrivals = {(0, hour): 8 for hour in range(9, 17)}  # four weeks: two an hour
    decisions = {(0, hour): 4 for hour in range(9, 17)}
    by = {"arrivals": arrivals, "decisions": decisions, "weeks": 4, "zone": UTC, "now": NOW}
    assert forecast(3, until=NOW + timedelta(hours=4), **by) == 7
    assert forecast(3, until=NOW + timedelta(hours=20), **by) == 11
    fewer = {**by, "arrivals": {}, "decisions": arrivals}
    assert forecast(3, until=NOW + timedelta(hours=4), **fewer) == 0


@given(st.integers(0, 500), st.integers(0, 200))
def test_nothing_comes_and_nothing_goes_all_stays(waiting, hours):
    nothing = {"arrivals": {}, "decisions": {}, "weeks": 4, "zone": UTC, "now": NOW}
    assert forecast(waiting, until=NOW + timedelta(hours=hours), **nothing) == waiting
