"""When people work: calendars are made and changed with a reason; what waits already keeps its times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from agents import policies, selectors
from agents.decision.calendars import WEEKDAYS, CalendarError, hours_words, read_hours
from agents.decision.holidays import holidays_words, read_holidays
from agents.models import Calendar
from agents.services.history import lock_row, stamp
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind

FIELDS = ("name", "time_zone", *WEEKDAYS, "holidays", "is_default")


def save_calendar(
    *, actor: Actor, values: Mapping[str, Any], reason: str, calendar: Calendar | None = None
) -> Calendar:
    """Make a calendar, or change one; ``values``: any of FIELDS, holidays as a list of dates or an .ics file.

    One that becomes the company's takes the place of the one that was. Raises ValidationError, and Refusal
    ``field_unknown``, ``default_needed``.
    """
    with transaction.atomic():
        right = "agents.change_calendar" if calendar else "agents.add_calendar"
        policies.require(policies.may(actor, right, "say when people work"))
        policies.require_reason(reason)
        if unknown := sorted(set(values) - set(FIELDS)):
            raise Refusal("field_unknown", f"{', '.join(unknown)} cannot be set.", kind=RefusalKind.INVALID)
        is_new = calendar is None
        found = lock_row(Calendar, calendar.pk) if calendar else Calendar()
        if found.is_default and values.get("is_default") is False:
            raise Refusal(
                "default_needed",
                f"{found.name} stays the company's calendar: there has to be one.",
                kind=RefusalKind.CONFLICT,
                next_step="Make another calendar the company's instead.",
            )
        changed = [name for name in values if is_new or getattr(found, name) != values[name]]
        for name in changed:
            setattr(found, name, values[name])
        _read(found)
        if found.is_default:
            for other in Calendar.objects.select_for_update().filter(is_default=True).exclude(pk=found.pk):
                other.is_default = False
                stamp(other, actor=actor, reason=reason).save(update_fields=["is_default"])
        found.full_clean()
        if is_new or changed:
            stamp(found, actor=actor, reason=reason).save()
            _record(actor, found, changed, reason, is_new=is_new)
        return found


def _record(actor: Actor, calendar: Calendar, changed: list[str], reason: str, *, is_new: bool) -> None:
    said = "made" if is_new else f"changed {', '.join(name.replace('_', ' ') for name in changed)} of"
    record_event(
        actor=actor,
        verb="agents.calendar_made" if is_new else "agents.calendar_changed",
        subject=calendar.as_ref(),
        sentence=f"{actor.label} {said} the calendar {calendar.name}.",
        reason=reason,
        payload={name: getattr(calendar, name) for name in FIELDS},
    )


def _read(calendar: Calendar) -> None:
    """Write hours and holidays in their one spelling; what cannot be read is refused where it stands."""
    wrong: dict[str, str] = {}
    for weekday in WEEKDAYS:
        try:
            setattr(calendar, weekday, hours_words(read_hours(getattr(calendar, weekday))))
        except CalendarError as error:
            wrong[weekday] = str(error)
    try:
        calendar.holidays = holidays_words(read_holidays(calendar.holidays))
    except CalendarError as error:
        wrong["holidays"] = str(error)
    if not wrong:
        try:
            selectors.work_calendar(calendar)
        except CalendarError as error:
            wrong["time_zone" if "time zone" in str(error) else "monday"] = str(error)
    if wrong:
        raise ValidationError(wrong)
