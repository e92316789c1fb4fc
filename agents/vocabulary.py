"""Plain values that the floors of this room pass on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class StepUp:
    """That somebody has just shown again, in the session they use, who they are.

    ``user_id``: who, ``method``: how (``password``), ``at``: when, by the database's clock.
    """

    user_id: str
    method: str
    at: datetime

    def holds(self, *, user_id: str, now: datetime, within: timedelta) -> bool:
        """Say whether it is this person's and not older than ``within``; what is to come is no proof."""
        return self.user_id == user_id and timedelta(0) <= now - self.at <= within
