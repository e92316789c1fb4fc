"""The life of a version, a run and a step as tables. Code, database trigger and tests read them from here."""

from __future__ import annotations

from django.db.models import TextChoices


class VersionState(TextChoices):
    """Where a version of a workflow stands."""

    PROPOSED = "proposed", "Waiting for a second person"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Not approved"


class RunState(TextChoices):
    """Where a run stands."""

    RUNNING = "running", "Running"
    INCIDENT = "incident", "Waiting for an operator"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"


class StepState(TextChoices):
    """Where a step stands."""

    READY = "ready", "About to begin"
    RUNNING = "running", "Being done"
    DONE = "done", "Done"
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


RUN_TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.RUNNING: frozenset({RunState.INCIDENT, RunState.DONE, RunState.CANCELLED}),
    # Done: a branch reached an end, which ends the whole run, while another one waited for an operator.
    RunState.INCIDENT: frozenset({RunState.RUNNING, RunState.DONE, RunState.CANCELLED}),
    RunState.DONE: frozenset(),
    RunState.CANCELLED: frozenset(),
}


class Undone(TextChoices):
    """What became of undoing a completed step."""

    RUNNING = "running", "Being undone"
    DONE = "done", "Undone"
    FAILED = "failed", "Could not be undone"
    GIVEN_UP = "given_up", "Left as it is"
    BY_HAND = "by_hand", "Answered by hand: nothing to undo"


_ENDS = frozenset({StepState.DONE, StepState.SKIPPED, StepState.FAILED, StepState.CANCELLED})
STEP_TRANSITIONS: dict[StepState, frozenset[StepState]] = {
    StepState.READY: _ENDS | {StepState.RUNNING},
    # Back to the beginning: an attempt failed and the next one comes later, as the same step.
    StepState.RUNNING: _ENDS | {StepState.READY},
    **dict.fromkeys(_ENDS, frozenset()),
}
# What failed and waits for an operator, a person may settle by hand; what was done stays done.
STEP_SETTLED = {StepState.FAILED: frozenset({StepState.DONE, StepState.SKIPPED})}
OPEN_RUNS = (RunState.RUNNING, RunState.INCIDENT)
OPEN_STEPS = (StepState.READY, StepState.RUNNING)


class RunVerb(TextChoices):
    """What people do to a whole run, as buttons say it."""

    RETRY = "retry", "Go on"
    PAUSE = "pause", "Pause"
    RESUME = "resume", "Resume"
    PRIORITY = "priority", "Change its priority"
    MIGRATE = "migrate", "Move to another version"
    COMPENSATE = "compensate", "Undo everything"
    CANCEL = "cancel", "Cancel"


class StepVerb(TextChoices):
    """What people do to one step, as links say it."""

    RETRY = "retry", "Try it again"
    RERUN = "rerun", "Do it again, and what follows"
    OVERRIDE = "override", "Give its answer"
    SKIP = "skip", "Skip it"
    REDIRECT = "redirect", "Give it to somebody else"
    DEADLINE = "deadline", "Change its deadline"
