"""When a limit starts anew: pure, by the company's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision.windows import EVER, counted_since, window_start

WINDOWS = ("call", "minute", "hour", "day", "month", "ever", "rolling")
START = datetime(2000, 1, 1, tzinfo=UTC)
moments = st.integers(0, 3_155_760_000_000_000).map(lambda micro: START + timedelta(microseconds=micro))
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana"]


def test_days_and_months_begin_at_midnight_in_the_company():
    at = datetime(2026, 11, 30, 23, 59, 59, 5, tzinfo=UTC)  # 00:59 on 1 December in Berlin
    starts = {window: window_start(window, at, "Europe/Berlin") for window in WINDOWS}
    assert starts == {
        "call": EVER,
        "minute": datetime(2026, 11, 30, 23, 59, tzinfo=UTC),
        "hour": datetime(2026, 11, 30, 23, tzinfo=UTC),
        "day": datetime(2026, 11, 30, 23, tzinfo=UTC),
        "month": datetime(2026, 11, 30, 23, tzinfo=UTC),
        "ever": EVER,
        "rolling": EVER,
    }
    assert window_start("month", at) == datetime(2026, 11, 1, tzinfo=UTC)
    assert window_start("hour", at, "Asia/Kathmandu") == datetime(2026, 11, 30, 23, 15, tzinfo=UTC)


def test_a_day_of_25_hours_is_one_window():
    first, last = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC)
    assert window_start("day", first, "Europe/Berlin") == window_start("day", last, "Europe/Berlin") == first
    doubled = [
        window_start("hour", datetime(2026, 10, 25, hour, 30, tzinfo=UTC), "Europe/Berlin") for hour in (0, 1)
    ]
    assert doubled[1] - doubled[0] == timedelta(hours=1)


@given(moments, st.sampled_from(WINDOWS), st.sampled_from(ZONES))
def test_a_window_has_begun_and_is_the_same_all_through(at, window, zone):
    start = window_start(window, at, zone)
    assert start <= at
    assert start.utcoffset() == timedelta(0)
    assert window_start(window, start, zone) == start


@given(moments, st.sampled_from(WINDOWS), st.sampled_from(ZONES), st.integers(0, 86_400 * 40))
def test_time_does_not_run_backwards(at, window, zone, seconds):
    later = at + timedelta(seconds=seconds)
    assert window_start(window, later, zone) >= window_start(window, at, zone)


def test_a_zone_nobody_knows_counts_as_utc():
    at = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    assert (
        window_start("day", at, "Mars/Olympus")
        == window_start("day", at, "../etc")
        == datetime(2026, 11, 30, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("window", "seconds", "days"), [("rolling", 86_400 * 3, 3), ("call", None, 0), ("day", None, 0.5)]
)
def test_what_was_done_before_counts_from_its_window_on(window, seconds, days):
    at = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert counted_since(window, seconds, at, "UTC") == at - timedelta(days=days)
