from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from uuid_utils.compat import uuid7

from audit.vocabulary import Actor, ActorKind


class User(AbstractUser):
    """Somebody the portal knows: a person who signs in, or the identity of one agent (no password, no page)."""

    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        AGENT = "agent", "Agent"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSON, help_text="Person or agent.")

    def as_actor(self) -> Actor:
        """Return this user as the actor of a service call."""
        return Actor(ActorKind(self.kind), str(self.pk), self.get_full_name() or self.username)
