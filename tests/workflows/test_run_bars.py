"""The bars of a timeline: nothing is counted twice, and everything stands within the scale."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.pages.run_bars import (
    MOST_TICKS,
    PEOPLE,
    SYSTEMS,
    WORK,
    Span,
    bars_of,
    lasted,
    ticks_of,
    worked,
)

BEGIN = datetime(2026, 1, 5, 8, tzinfo=UTC)
MOMENTS = st.integers(0, 10_000)


def at(seconds: int) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def span(kind: str, since: int, until: int) -> Span:
    return Span(kind, at(since), at(until))


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    found = []
    for _ in range(draw(st.integers(0, 6))):
        since, until = sorted((draw(MOMENTS), draw(MOMENTS)))
        found.append(span(draw(st.sampled_from([WORK, PEOPLE, SYSTEMS])), since, until))
    return found


def test_what_two_waits_share_is_counted_once():
    found = [span(WORK, 0, 100), span(PEOPLE, 10, 40), span(PEOPLE, 30, 60), span(SYSTEMS, 50, 70)]
    assert lasted(found, PEOPLE) == timedelta(seconds=50)
    assert lasted(found, PEOPLE, SYSTEMS) == timedelta(seconds=60)
    assert worked(found) == timedelta(seconds=40)


def test_people_lie_on_top_of_work_and_stand_where_they_were():
    bars = bars_of([span(PEOPLE, 50, 75), span(WORK, 0, 100)], at(0), at(100))
    assert [(bar.kind, bar.x, bar.width) for bar in bars] == [(WORK, 0, 100), (PEOPLE, 50, 25)]


@given(spans(), MOMENTS, MOMENTS)
def test_every_bar_stands_within_the_scale(found, one, other):
    since, until = sorted((one, other))
    for bar in bars_of(found, at(since), at(until)):
        assert 0 <= bar.x <= 100
        assert 0 < bar.width <= 100 - bar.x + 1e-9


@given(spans())
def test_times_add_up_and_are_never_negative(found):
    whole = lasted(found, WORK, PEOPLE, SYSTEMS)
    assert worked(found) + lasted(found, PEOPLE, SYSTEMS) == whole
    assert timedelta() <= worked(found) <= whole


@pytest.mark.parametrize("seconds", [0, 1, 59, 61, 3_600, 100_000, 40 * 86_400])
def test_the_scale_has_a_few_round_lines(seconds):
    ticks = ticks_of(at(0), at(seconds))
    assert 1 <= len(ticks) <= MOST_TICKS + 1
    assert ticks[0].x == 0
    assert all(0 <= tick.x <= 100 for tick in ticks)
