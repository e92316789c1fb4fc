"""What starts runs by itself, and what became of every occasion."""

from __future__ import annotations

from workflows.triggers.models.common import Occasion, Trigger
from workflows.triggers.models.folders import WatchedFolder
from workflows.triggers.models.schedules import Due, Firing, Schedule

__all__ = ["Due", "Firing", "Occasion", "Schedule", "Trigger", "WatchedFolder"]
