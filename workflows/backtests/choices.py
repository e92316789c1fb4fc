"""How far a back-test has come."""

from __future__ import annotations

from django.db.models import TextChoices


class State(TextChoices):
    """Where a back-test stands."""

    RUNNING = "running", "Counting"
    DONE = "done", "Done"
    FAILED = "failed", "Stopped"
