"""Due times on a wall clock: fields, gaps and overlaps of daylight saving, and what is made up for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.triggers.policies.cron import (
    due_after,
    local_facts,
    moments,
    newest_due,
    planned,
    read_times,
    read_zone,
)

BERLIN = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(cron: str, day: date, zone: ZoneInfo = BERLIN) -> list[str]:
    """Return the due times of a day as the wall clock shows them, with the name of its time."""
    return [f"{moment.astimezone(zone):%H:%M %Z}" for moment in moments(read_times(cron), zone, day)]


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("0 9 * * *", "2026-01-01T10:00", "2026-01-02T09:00"),
        ("0 9 * * *", "2026-01-01T09:00", "2026-01-02T09:00"),
        ("*/15 * * * *", "2026-01-01T10:01", "2026-01-01T10:15"),
        ("0 9 * * mon-fri", "2026-01-02T10:00", "2026-01-05T09:00"),
        ("0 9 * * 7", "2026-01-01T10:00", "2026-01-04T09:00"),
        ("0 9 * * sun", "2026-01-01T10:00", "2026-01-04T09:00"),
        ("0 9 * * sat-sun", "2026-01-04T10:00", "2026-01-10T09:00"),
        ("0 9 * * 5-7", "2026-01-02T10:00", "2026-01-03T09:00"),
        ("30 8,17 1 jan,jul *", "2026-01-01T08:30", "2026-01-01T17:30"),
        ("0 0 29 2 *", "2096-03-01T00:00", "2104-02-29T00:00"),
        ("0 12 31 * *", "2026-01-31T12:00", "2026-03-31T12:00"),
    ],
)
def test_the_next_due_time_is_what_the_fields_say(cron: str, after: str, expected: str) -> None:
    assert due_after(read_times(cron), ZoneInfo("UTC"), utc(after)) == utc(expected)


@pytest.mark.parametrize(
    "cron",
    [
        *("", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *"),
        *("* * * * 8", "*/0 * * * *", "*/5-3 * * * *", "5/10 * * * *", "mon * * * *", "* * * mon *", "@daily"),
        *(
            "* * * * jan",
            "1,,2 * * * *",
            "-1 * * * *",
            "1- * * * *",
            "\u0661 * * * *",
            "0 9 1 * mon",
            "* * * * mo",
        ),
    ],
)
def test_what_is_no_time_is_refused_with_words(cron: str) -> None:
    with pytest.raises(ValueError, match=r"is no |five fields|not both"):
        read_times(cron)


@pytest.mark.parametrize("name", ["", "Berlin", "UTC+2", "../etc/passwd", "Europe/Berlin\x00", "europe/berlin"])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        read_zone(name)


def test_a_day_that_never_comes_has_no_due_time() -> None:
    assert due_after(read_times("0 0 30 2 *"), BERLIN, utc("2026-01-01T00:00")) is None


def test_a_time_that_the_clocks_leap_over_fires_once_as_if_they_had_not_been_changed() -> None:
    assert shown("30 2 * * *", SPRING) == ["03:30 CEST"]
    assert shown("30 2,3 * * *", SPRING) == ["03:30 CEST"]


def test_a_time_that_comes_twice_fires_at_the_first() -> None:
    assert shown("30 2 * * *", AUTUMN) == ["02:30 CEST"]


def test_every_hour_means_real_time_on_the_days_the_clocks_change() -> None:
    assert len(shown("0 * * * *", SPRING)) == 23
    assert len(shown("0 * * * *", AUTUMN)) == 25
    spring = moments(read_times("*/15 * * * *"), BERLIN, SPRING)
    assert {later - earlier for earlier, later in pairwise(spring)} == {timedelta(minutes=15)}


def test_the_wall_clock_counts_and_not_the_sun() -> None:
    times = read_times("0 9 * * *")
    assert due_after(times, BERLIN, utc("2026-03-28T00:00")) == utc("2026-03-28T08:00")
    assert due_after(times, BERLIN, utc("2026-03-29T00:00")) == utc("2026-03-29T07:00")


def test_the_calendar_is_that_of_the_place() -> None:
    auckland = ZoneInfo("Pacific/Auckland")
    assert due_after(read_times("0 9 1 * *"), auckland, utc("2026-01-15T00:00")) == utc("2026-01-31T20:00")
    facts = local_facts(utc("2026-01-31T20:00"), auckland)
    assert (facts["date"], facts["time"], facts["weekday"]) == ("2026-02-01", "09:00", 7)


@settings(max_examples=150, deadline=None)
@given(
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    cron=st.sampled_from(["0 * * * *", "30 2 * * *", "15 */3 * * *", "0 1,2,3 * * sun", "*/20 2 * * *"]),
    start=st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001 - Hypothesis takes no other
)
def test_forwards_and_backwards_meet(zone: str, cron: str, start: datetime) -> None:
    """What comes next again and again is what is found from the end: none is left out, none comes twice."""
    times, place, moment = read_times(cron), ZoneInfo(zone), start.replace(tzinfo=UTC)
    forwards = []
    for _ in range(10):
        moment = due_after(times, place, moment)
        assert moment is not None
        forwards.append(moment)
    assert forwards == sorted(set(forwards))
    since = start.replace(tzinfo=UTC) + timedelta(microseconds=1)
    assert newest_due(times, place, since=since, until=forwards[-1], most=1000) == forwards
    assert newest_due(times, place, since=since, until=forwards[-1], most=3) == forwards[-3:]


def plan(at: str, now: str, catch_up: str, most: int = 24) -> tuple[str, str, str]:
    found = planned(
        read_times("0 * * * *"), ZoneInfo("UTC"), at=utc(at), now=utc(now), catch_up=catch_up, most=most
    )
    skipped = "-".join(f"{moment:%H}" for moment in found.skipped) if found.skipped else ""
    return skipped, f"{found.fire:%H}" if found.fire else "", f"{found.next:%H}" if found.next else ""


@pytest.mark.parametrize(
    ("at", "now", "catch_up", "expected"),
    [
        ("2026-01-01T09:00", "2026-01-01T08:59", "all", ("", "", "09")),
        ("2026-01-01T09:00", "2026-01-01T09:00", "none", ("", "09", "10")),
        ("2026-01-01T09:00", "2026-01-01T09:01", "none", ("", "09", "10")),
        ("2026-01-01T09:00", "2026-01-01T09:02", "none", ("09-09", "", "10")),
        ("2026-01-01T09:00", "2026-01-01T12:00", "none", ("09-11", "12", "13")),
        ("2026-01-01T09:00", "2026-01-01T12:30", "none", ("09-12", "", "13")),
        ("2026-01-01T09:00", "2026-01-01T09:30", "last", ("", "09", "10")),
        ("2026-01-01T09:00", "2026-01-01T12:30", "last", ("09-11", "12", "13")),
        ("2026-01-01T09:00", "2026-01-01T12:30", "all", ("", "09", "10")),
    ],
)
def test_what_is_late_is_made_up_for_as_the_schedule_says(
    at: str, now: str, catch_up: str, expected: tuple[str, str, str]
) -> None:
    assert plan(at, now, catch_up) == expected


def test_all_of_them_are_the_newest_up_to_the_cap() -> None:
    assert plan("2026-01-01T00:00", "2026-01-01T12:30", "all", most=3) == ("00-09", "10", "11")
    assert plan("2026-01-01T11:00", "2026-01-01T12:30", "all", most=3) == ("", "11", "12")
