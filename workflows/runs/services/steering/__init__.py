"""What people do to a run and its steps: every verb previews its effect, asks a reason and is on record."""

from __future__ import annotations

from workflows.runs.services.steering.compensating import Compensate
from workflows.runs.services.steering.effects import Change, Effect
from workflows.runs.services.steering.migrating import Migrate
from workflows.runs.services.steering.planned import Cancel, Override, Rerun, Retry, Skip
from workflows.runs.services.steering.verb import Standing, Verb, preview_steering, steer_run

__all__ = [
    "Cancel",
    "Change",
    "Compensate",
    "Effect",
    "Migrate",
    "Override",
    "Rerun",
    "Retry",
    "Skip",
    "Standing",
    "Verb",
    "preview_steering",
    "steer_run",
]
