"""The ledger's tables: rows that are only ever added, and the queue that gives each of them its position."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, ClassVar, NoReturn

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from audit.vocabulary import ActorKind, Refusal


def refuse_change(what: str) -> NoReturn:
    """Refuse to change or remove a ledger row; the database role and a trigger say the same below Django."""
    raise Refusal(
        "append_only",
        f"{what} was refused: the ledger is append-only. Record a new event that says what changed.",
        next_step="Record a new event.",
    )


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """A queryset that can read and add, but never change or remove."""

    def update(self, **kwargs: Any) -> NoReturn:
        refuse_change(f"Updating {self.model._meta.verbose_name_plural}")

    def _update(self, values: Any) -> NoReturn:
        refuse_change(f"Updating {self.model._meta.verbose_name_plural}")

    def delete(self) -> NoReturn:
        refuse_change(f"Deleting {self.model._meta.verbose_name_plural}")

    def _raw_delete(self, using: str | None) -> NoReturn:
        refuse_change(f"Deleting {self.model._meta.verbose_name_plural}")

    def bulk_update(
        self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None
    ) -> NoReturn:
        refuse_change(f"Updating {self.model._meta.verbose_name_plural}")

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Any]:
        """Insert rows; an insert that may update or skip an existing row is refused."""
        if update_conflicts or ignore_conflicts:
            refuse_change(f"Overwriting {self.model._meta.verbose_name_plural}")
        return super().bulk_create(objs, batch_size=batch_size)


class EventQuerySet(AppendOnlyQuerySet):
    """Events, with the position that the sequencer gave them."""

    def with_position(self) -> EventQuerySet:
        """Annotate ``position``: the dense place in the ledger, None while the event is not numbered yet."""
        return self.annotate(position=models.F("placement__position"))


class AppendOnlyModel(models.Model):
    """A row that can be inserted once and never changed."""

    objects: ClassVar[Any] = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the row; saving an existing row is refused."""
        if not self._state.adding:
            refuse_change(f"Changing the {self._meta.verbose_name} {self.pk}")
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse_change(f"Deleting the {self._meta.verbose_name} {self.pk}")


def _where_set(column: str) -> models.Index:
    """Index a reference column, leaving out the many rows that do not carry it."""
    return models.Index(fields=[column], condition=~models.Q(**{column: ""}), name=f"event_{column}")


class Event(AppendOnlyModel):
    """One fact: who did what to what, what was decided and why. References are text: the ledger outlives rows.

    ``id`` is a UUIDv7 made in the application; ``occurred_at`` is the database's clock, set by a trigger.
    """

    class Decision(models.TextChoices):
        ALLOW = "allow", "Allowed"
        HOLD = "hold", "Held"
        DENY = "deny", "Denied"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    occurred_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="When it was written, by the database's clock."
    )
    verb = models.CharField(max_length=100, help_text="What happened: room.past_tense.")
    actor_kind = models.CharField(
        max_length=10,
        choices=[(kind.value, kind.value.title()) for kind in ActorKind],
        help_text="Whether a person, an agent or the portal itself did it.",
    )
    actor_id = models.CharField(max_length=64, help_text="Who did it: a user's id, or the name of a process.")
    actor_label = models.CharField(max_length=200, blank=True, help_text="The actor's name at that moment.")
    subject_kind = models.CharField(max_length=100, help_text="What it was done to, e.g. agents.agent.")
    subject_id = models.CharField(max_length=64, blank=True)
    subject_label = models.CharField(max_length=200, blank=True, help_text="Its name at that moment.")
    agent_id = models.CharField(max_length=64, blank=True, default="")
    action_id = models.CharField(max_length=64, blank=True, default="")
    run_id = models.CharField(max_length=64, blank=True, default="")
    system_id = models.CharField(max_length=64, blank=True, default="")
    department_id = models.CharField(max_length=64, blank=True, default="")
    correlation_id = models.CharField(
        max_length=64, blank=True, default="", help_text="Shared by everything that one request caused."
    )
    decision = models.CharField(max_length=5, choices=Decision, blank=True, default="")
    code = models.CharField(max_length=64, blank=True, default="", help_text="The stable code of a decision.")
    sentence = models.CharField(max_length=500, help_text="What happened, in plain words.")
    reason = models.TextField(blank=True, default="", help_text="The reason the actor gave.")

    objects: ClassVar[Any] = EventQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        ordering = ["-id"]
        permissions = [("view_every_event", "Can see every event of the company")]
        default_permissions = ["view"]
        indexes = [
            models.Index(fields=["subject_kind", "subject_id"], name="event_subject"),
            models.Index(fields=["actor_id"], name="event_actor"),
            models.Index(fields=["verb"], name="event_verb"),
            models.Index(fields=["occurred_at"], name="event_occurred_at"),
            _where_set("agent_id"),
            _where_set("action_id"),
            _where_set("run_id"),
            _where_set("system_id"),
            _where_set("department_id"),
            _where_set("correlation_id"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(decision__in=["", "allow", "hold", "deny"]), name="event_decision_known"
            ),
            models.CheckConstraint(
                condition=models.Q(actor_kind__in=[kind.value for kind in ActorKind]),
                name="event_actor_kind_known",
            ),
            models.CheckConstraint(
                condition=models.Q(verb__regex=r"^[a-z_]+\.[a-z_]+$"), name="event_verb_is_room_and_past_tense"
            ),
        ]

    def __str__(self) -> str:
        return self.sentence


class Payload(AppendOnlyModel):
    """The machine-readable part of an event, apart from it so that erasing it leaves the fact standing."""

    event = models.OneToOneField(
        Event, on_delete=models.PROTECT, primary_key=True, related_name="payload", editable=False
    )
    data = models.JSONField(encoder=DjangoJSONEncoder)

    class Meta:
        base_manager_name = "objects"
        default_permissions = ["view"]

    def __str__(self) -> str:
        return f"payload of {self.event_id}"


class PendingEvent(models.Model):
    """An event that has no position yet. A trigger of the event table adds it; only the sequencer takes it.

    ``id`` follows the order of insertion, so an event that was caused by a committed one comes after it.
    """

    id = models.BigAutoField(primary_key=True)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="pending", editable=False)

    class Meta:
        default_permissions = []

    def __str__(self) -> str:
        return f"{self.event_id} waits for its position"


class Position(AppendOnlyModel):
    """The place of an event in the ledger: 1, 2, 3 ... without a gap, in an order safe to read by."""

    position = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="placement", editable=False)

    class Meta:
        base_manager_name = "objects"
        default_permissions = []
        constraints = [
            models.CheckConstraint(condition=models.Q(position__gte=1), name="position_starts_at_one")
        ]

    def __str__(self) -> str:
        return str(self.position)
