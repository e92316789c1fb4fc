"""The words of triggers that are stored."""

from __future__ import annotations

from django.db import models


class Outcome(models.TextChoices):
    """What became of an occasion to start a run, or to send one a signal."""

    STARTED = "started", "Started a run"
    SIGNALLED = "signalled", "Sent a run a signal"
    AGAIN = "again", "Its run was there already"
    FILTERED = "filtered", "Left out by the condition"
    REFUSED = "refused", "Refused"
    SKIPPED = "skipped", "Skipped, too late"


class CatchUp(models.TextChoices):
    """What becomes of times at which the portal was away, or the workflow was stopped."""

    NONE = "none", "Nothing: what is more than a minute late is skipped"
    LAST = "last", "One run, for the last of them"
    ALL = "all", "One run for each, the newest of them up to a number"
