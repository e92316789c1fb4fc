"""The words of what is sent: why, when, and how far it has come."""

from __future__ import annotations

from django.db.models import TextChoices

# A person has at most one mail in so many minutes, and one at a time that waits for the mail server.
WINDOW_MINUTES = 5


class Why(TextChoices):
    """What happened that people are told of."""

    ASKED = "asked", "It waits for somebody"
    REMINDED = "reminded", "Its people were reminded"


class How(TextChoices):
    """When somebody wants to be told by mail."""

    AT_ONCE = "at_once", "At once"
    DAILY = "daily", "Once a day"
    NEVER = "never", "Not at all"


class State(TextChoices):
    """Where a mail or a message stands. What is given up stays and is shown to operators."""

    WAITING = "waiting", "Waits to be sent"
    SENT = "sent", "Sent"
    DROPPED = "dropped", "Not needed any more"
    GIVEN_UP = "given_up", "Given up"
