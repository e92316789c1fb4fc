"""What people do to a run and its steps: every verb previews its effect, asks a reason and is on record."""

from __future__ import annotations

from workflows.runs.services.steering.compensating import Compensate
from workflows.runs.services.steering.effects import Change, Effect
from workflows.runs.services.steering.fitting import Taker, name_of, taker
from workflows.runs.services.steering.migrating import Migrate
from workflows.runs.services.steering.offering import verbs_of_run, verbs_of_steps
from workflows.runs.services.steering.pausing import Pause, Resume
from workflows.runs.services.steering.planned import Cancel, Override, Rerun, Retry, Skip
from workflows.runs.services.steering.redirecting import Redirect, who_could_take
from workflows.runs.services.steering.timing import ChangeDeadline, ChangePriority, deadline_of
from workflows.runs.services.steering.verb import (
    Standing,
    Verb,
    may_steer,
    preview_steering,
    steer_run,
    steer_within,
)

__all__ = [
    "Cancel",
    "Change",
    "ChangeDeadline",
    "ChangePriority",
    "Compensate",
    "Effect",
    "Migrate",
    "Override",
    "Pause",
    "Redirect",
    "Rerun",
    "Resume",
    "Retry",
    "Skip",
    "Standing",
    "Taker",
    "Verb",
    "deadline_of",
    "may_steer",
    "name_of",
    "preview_steering",
    "steer_run",
    "steer_within",
    "taker",
    "verbs_of_run",
    "verbs_of_steps",
    "who_could_take",
]
