"""When the times of a stage come, counted from its beginning by each its own clock. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agents.decision.calendars import WorkCalendar, working_between
from workflows.approvals.policies.escalating import WALL, WORKING, remind_after
from workflows.approvals.policies.standing_still import moment_after


@dataclass(frozen=True, slots=True)
class Start:
    """The beginning of a stage, and the calendar its working time counts by; none: any time counts."""

    at: datetime
    calendar: WorkCalendar | None = None

    def moment(self, seconds: float, clock: str) -> datetime:
        """Return when so much time of a clock has passed since."""
        return moment_after(self.at, seconds, self.calendar if clock == WORKING else None)

    def reminder(
        self, said: tuple[int, str], *, end: tuple[datetime, str], share: float
    ) -> tuple[datetime | None, str]:
        """Return when people are reminded, and by which clock: after so many seconds as a rule says, else after
        a share (percent) of the time until the end, by its clock. None: never."""
        seconds, clock = said if said[0] else (0, end[1])
        after = remind_after(seconds, share=share, within=self._left(end[0], clock))
        at = self.moment(after, clock) if after is not None else end[0]
        return (at, clock) if at < end[0] else (None, clock)

    def _left(self, end: datetime, clock: str) -> float:
        if clock == WALL or self.calendar is None:
            return (end - self.at).total_seconds()
        return working_between(self.at, end, self.calendar).total_seconds()
