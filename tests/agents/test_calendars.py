"""Working time: what is added comes out again, whatever the hours, the holidays and the clocks of the zone."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision.calendars import (
    CalendarError,
    WorkCalendar,
    add_working,
    as_data,
    from_data,
    hours_words,
    read_hours,
    working_between,
)
from agents.decision.holidays import holidays_words, read_holidays

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = WorkCalendar("Europe/Berlin", (((540, 1020),),) * 5 + ((), ()))
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]


@st.composite
def spans(draw):
    cuts = draw(st.lists(st.integers(0, 1440), max_size=6, unique=True).map(sorted))
    return tuple(zip(cuts[::2], cuts[1::2], strict=False))


@st.composite
def calendars(draw):
    hours = draw(st.lists(spans(), min_size=7, max_size=7).filter(any))
    days = st.dates(date(2026, 1, 1), date(2027, 6, 30))
    return WorkCalendar(draw(st.sampled_from(ZONES)), tuple(hours), frozenset(draw(st.sets(days, max_size=8))))


moments = st.integers(0, 365 * 1440).map(lambda m: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=m))
lengths = st.integers(0, 40 * 60).map(lambda minutes: timedelta(minutes=minutes))


def later(start, length, calendar):
    try:
        return add_working(start, length, calendar)
    except CalendarError:
        return None  # a minute a week: the horizon comes first


@given(calendars(), moments, lengths)
def test_what_is_added_lies_between(calendar, start, length):
    if end := later(start, length, calendar):
        assert end >= start
        assert working_between(start, end, calendar) == length


@given(calendars(), moments, lengths, lengths)
def test_it_is_additive_and_more_is_later(calendar, start, one, other):
    both = later(start, one + other, calendar)
    if both:
        first = add_working(start, one, calendar)
        assert add_working(first, other, calendar) == both >= first


@given(calendars(), moments, moments, lengths)
def test_to_begin_later_is_never_done_sooner(calendar, one, other, length):
    ends = [later(start, length, calendar) for start in sorted((one, other))]
    if all(ends):
        assert ends[0] <= ends[1]


@given(calendars(), st.lists(moments, min_size=3, max_size=3).map(sorted))
def test_what_lies_between_adds_up(calendar, three):
    first, middle, last = three
    parts = working_between(first, middle, calendar) + working_between(middle, last, calendar)
    assert working_between(first, last, calendar) == parts <= last - first


@given(calendars(), moments)
def test_a_calendar_survives_being_written_down(calendar, start):
    assert from_data(as_data(calendar, date(2026, 1, 1))) == calendar
    for spans_of_day in calendar.hours:
        assert read_hours(hours_words(spans_of_day)) == spans_of_day


def test_friday_afternoon_goes_on_on_monday():
    asked = datetime(2026, 11, 27, 16, 30, tzinfo=BERLIN)
    assert add_working(asked, timedelta(hours=2), OFFICE) == datetime(2026, 11, 30, 10, 30, tzinfo=BERLIN)


def test_a_holiday_is_no_working_time():
    calendar = WorkCalendar("Europe/Berlin", OFFICE.hours, frozenset({date(2026, 12, 25)}))
    asked = datetime(2026, 12, 24, 16, tzinfo=BERLIN)
    assert add_working(asked, timedelta(hours=2), calendar) == datetime(2026, 12, 28, 10, tzinfo=BERLIN)


def test_the_night_a_clock_is_put_forward_is_an_hour_shorter_and_back_an_hour_longer():
    nights = WorkCalendar("Europe/Berlin", (((0, 1440),),) * 7)
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 1), 24)):
        start = datetime.combine(day, datetime.min.time(), BERLIN)
        end = datetime.combine(day + timedelta(days=1), datetime.min.time(), BERLIN)
        assert working_between(start, end, nights) == timedelta(hours=hours)


def test_an_empty_week_an_unknown_zone_and_hours_out_of_order_are_refused():
    for zone, hours in (
        ("Europe/Berlin", ((),) * 7),
        ("Europe/Atlantis", OFFICE.hours),
        ("UTC", (((600, 540),),) + ((),) * 6),
        ("UTC", (((540, 600), (570, 660)),) + ((),) * 6),
    ):
        with pytest.raises(CalendarError):
            WorkCalendar(zone, hours)


def test_what_is_too_far_away_is_refused():
    with pytest.raises(CalendarError, match="days"):
        add_working(datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1000), OFFICE)


@pytest.mark.parametrize("text", ["nine to five", "09:00", "09:00-25:00", "09:70-10:00", "10:00-09:00", "9-17"])
def test_what_are_no_hours_is_refused(text):
    with pytest.raises(CalendarError):
        read_hours(text)


ICS = """BEGIN:VCALENDAR
BEGIN:VEVENT
DTSTART;VALUE=DATE:20261225
DTEND;VALUE=DATE:20261227
SUMMARY:Christmas\\, both
  days
END:VEVENT
END:VCALENDAR
"""


def test_holidays_are_read_from_a_list_and_from_a_calendar_file():
    listed = read_holidays("2027-01-01 New Year\n\n2026-12-25\n")
    assert listed == {date(2026, 12, 25): "", date(2027, 1, 1): "New Year"}
    assert read_holidays(holidays_words(listed)) == listed
    name = "Christmas, both days"
    assert read_holidays(ICS) == {date(2026, 12, 25): name, date(2026, 12, 26): name}


@pytest.mark.parametrize(
    "text", ["25.12.2026", "2026-02-30", ICS.replace("SUMMARY", "RRULE:FREQ=YEARLY\nSUMMARY"), "x" * 300_000]
)
def test_what_cannot_be_read_is_refused_and_never_left_out(text):
    with pytest.raises(CalendarError):
        read_holidays(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    for read in (read_holidays, read_hours):
        with contextlib.suppress(CalendarError):
            read(text)
