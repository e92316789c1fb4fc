"""What starts runs by itself: kept by people, fired by the clock and by what comes in."""

from __future__ import annotations

from workflows.triggers.services.folders import save_folder, take_in_all
from workflows.triggers.services.schedules import fire_due, save_schedule
from workflows.triggers.services.trying import try_schedule

__all__ = ["fire_due", "save_folder", "save_schedule", "take_in_all", "try_schedule"]
