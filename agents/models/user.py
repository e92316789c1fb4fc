from __future__ import annotations

import zoneinfo

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from uuid_utils.compat import uuid7

from agents.models.tracked import tracked
from audit.vocabulary import Actor, ActorKind, Ref


def is_time_zone(name: str) -> None:
    """Refuse what is no time zone of the IANA database; empty is the installation's own."""
    if name and name not in zoneinfo.available_timezones():
        raise ValidationError(f"{name} is no time zone. Write one as Europe/Berlin.")


class User(AbstractUser):  # type: ignore[django-manager-missing]
    """Somebody the portal knows: a person who signs in, or the identity of one agent (no password, no page)."""

    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        AGENT = "agent", "Agent"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(
        max_length=10, choices=Kind, default=Kind.PERSON, editable=False, help_text="Person or agent."
    )
    department = models.ForeignKey(
        "agents.Department",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="people",
        help_text="Where this person works.",
    )

    manager = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="reports",
        help_text="Whom this person reports to. A rule may ask them when nobody decides in time.",
    )

    language = models.CharField(
        max_length=10,
        blank=True,
        choices=settings.LANGUAGES,
        help_text="The language of the portal for this person. Empty: what their browser asks for.",
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[is_time_zone],
        help_text="Such as Europe/Berlin. Empty: the time zone of the installation.",
    )
    shortcuts = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Single keys do something on the pages, e.g. j goes to the next request.",
    )

    history = tracked(excluded_fields=["password", "last_login"], m2m_fields=["groups", "user_permissions"])

    class Meta(AbstractUser.Meta):
        verbose_name = "person"
        verbose_name_plural = "people"
        constraints = [
            models.CheckConstraint(
                condition=Q(manager__isnull=True) | (~Q(manager=F("id")) & Q(kind="person")),
                name="agents_user_not_own_manager",
                violation_error_message="Nobody is their own manager, and an agent has a sponsor instead.",
            ),
            models.CheckConstraint(
                condition=Q(kind="person")
                | Q(kind="agent", password__startswith="!", is_staff=False, is_superuser=False),  # noqa: S106
                name="agents_user_agent_has_no_password",
                violation_error_message="An agent has no password and no page.",
            ),
        ]

    @property
    def is_agent(self) -> bool:
        """Tell whether this is the identity of an agent."""
        return self.kind == self.Kind.AGENT

    @property
    def is_active_person(self) -> bool:
        """Tell whether this is a person whose account is open: only such a one can answer for an agent."""
        return self.is_active and not self.is_agent

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    def as_actor(self) -> Actor:
        """Return this user as the actor of a service call."""
        return Actor(ActorKind(self.kind), str(self.pk), self.get_full_name() or self.username)

    def as_ref(self) -> Ref:
        """Return this user as the subject of an event."""
        return Ref("agents.user", str(self.pk), self.get_full_name() or self.username)
