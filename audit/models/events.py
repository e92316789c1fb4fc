"""Events, their payloads, the queue that gives each its position, and what of them was erased."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.aggregates import JSONBAgg
from django.contrib.postgres.indexes import BrinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.functions import JSONObject, Now
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from uuid_utils.compat import uuid7

from audit.models.append_only import AppendOnlyModel, AppendOnlyQuerySet
from audit.vocabulary import ActorKind


class EventQuerySet(AppendOnlyQuerySet):
    """Events, with the position that the sequencer gave them, and what of them was erased."""

    def with_position(self) -> EventQuerySet:
        """Annotate ``position``: the dense place in the ledger, None while the event is not numbered yet.

        ``erasure_notes`` is what ``Event.erased`` reads, so that a page of events asks once.
        """
        return self.annotate(
            position=models.F("placement__position"),
            erasure_notes=models.Subquery(_erasure_notes(event=models.OuterRef("pk"))),
        )


def _erasure_notes(**which: Any) -> models.QuerySet[Any, Any]:
    """Return the one list of what was erased of an event: part, when, under which rule."""
    note = JSONObject(part="part", at="cause__occurred_at", under="cause__subject_label")
    return Erasure.objects.filter(**which).values("event").annotate(notes=JSONBAgg(note)).values("notes")


# 32 bytes of which 244 bits are random, by the database's own strong generator.
FRESH_SALT = RawSQL("uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())", [])


def _where_set(column: str, *then: str) -> models.Index:
    """Index a reference column, leaving out the many rows that do not carry it."""
    condition = ~models.Q(**{column: ""})
    return models.Index(fields=[column, *then], condition=condition, name=f"event_of_{column}")


def _exception(column: str, *values: str) -> models.Index:
    """Index the few rows that people look for by what went otherwise than usual."""
    condition = models.Q(**{f"{column}__in": values})
    return models.Index(fields=[column, "id"], condition=condition, name=f"event_by_{column}")


class Event(AppendOnlyModel):
    """One fact: who did what to what, what was decided and why. References are text: the ledger outlives rows.

    ``id`` is a UUIDv7 made in the application; ``occurred_at`` is the database's clock, set by a trigger.
    """

    class Decision(models.TextChoices):
        ALLOW = "allow", "Allowed"
        HOLD = "hold", "Held"
        DENY = "deny", "Denied"

    class Effect(models.TextChoices):
        CONFIRMED = "confirmed", "Was done"
        FAILED = "failed", "Was not done"
        IN_DOUBT = "in_doubt", "Nobody can tell"

    class Agreement(models.TextChoices):
        AGREES = "agrees", "As decided"
        DIFFERS = "differs", "Not as decided"
        UNKNOWN = "unknown", "Not seen"

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
    delegated_id = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="On whose behalf: a user's id."
    )
    operation = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="The operation it is about, by its code.",
    )
    effect = models.CharField(
        max_length=10,
        choices=Effect,
        blank=True,
        default="",
        db_default="",
        help_text="What was seen to come of it.",
    )
    agreement = models.CharField(
        max_length=10,
        choices=Agreement,
        blank=True,
        default="",
        db_default="",
        help_text="Whether that is what was decided.",
    )
    risk = models.JSONField(
        default=dict,
        db_default=RawSQL("'{}'::jsonb", []),
        blank=True,
        help_text="What was known of the risk when it was decided.",
    )
    remedy = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="What was done about it, e.g. agent_paused; why is the code.",
    )
    words_salt = models.BinaryField(
        max_length=32,
        db_default=FRESH_SALT,
        editable=False,
        help_text="Of what its words are sealed with; none: erased.",
    )

    objects: ClassVar[Any] = EventQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        ordering = ["-id"]
        permissions = [
            ("view_every_event", "Can see every event of the company"),
            ("erase_event", "Can ask that words and payloads of events are erased"),
        ]
        default_permissions = ["view"]
        indexes = [
            # Each is read newest first from any place on (selectors.reading), so that no page sorts or skips.
            models.Index(fields=["subject_kind", "subject_id", "id"], name="event_by_subject"),
            models.Index(fields=["actor_id", "id"], name="event_by_actor"),
            models.Index(fields=["verb", "id"], name="event_by_verb"),
            _where_set("agent_id", "id"),
            _where_set("run_id", "id"),
            _where_set("system_id", "id"),
            _where_set("department_id", "id"),
            _where_set("operation", "id"),
            _where_set("delegated_id", "id"),
            # Of one action or request there are a few events; without the id the index is half as large.
            _where_set("action_id"),
            _where_set("correlation_id"),
            _exception("decision", "hold", "deny"),
            _exception("effect", "failed", "in_doubt"),
            # Time is in the id, and a page asks by both; this finds periods at next to no cost for a writer.
            BrinIndex(fields=["occurred_at"], name="event_period", pages_per_range=32),
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
                condition=models.Q(effect__in=["", "confirmed", "failed", "in_doubt"]),
                name="event_effect_known",
            ),
            models.CheckConstraint(
                condition=models.Q(agreement__in=["", "agrees", "differs", "unknown"]),
                name="event_agreement_known",
            ),
            models.CheckConstraint(
                condition=models.Q(verb__regex=r"^[a-z_]+\.[a-z_]+$"), name="event_verb_is_room_and_past_tense"
            ),
        ]

    def __str__(self) -> str:
        return self.told

    @property
    def erased(self) -> dict[str, dict[str, str]]:
        """Return what was erased of it by part (data, words): at which time, under which rule."""
        if "erasure_notes" not in self.__dict__:
            found = _erasure_notes(event=self.pk).values_list("notes", flat=True)
            self.__dict__["erasure_notes"] = next(iter(found), None)
        notes = self.__dict__["erasure_notes"] or []
        return {note["part"]: {"at": note["at"], "under": note["under"]} for note in notes}

    @property
    def told(self) -> str:
        """Return its sentence; of one whose words were erased, when and under which rule that was."""
        return self.sentence or self.erased_words("words")

    def erased_words(self, part: str) -> str:
        """Say in words that a part was erased; empty while it was not."""
        note = self.erased.get(part)
        at = parse_datetime(note["at"]) if note else None
        return f"Erased on {date_format(at, 'j F Y')} under: {note['under']}" if note and at else ""


class Payload(AppendOnlyModel):
    """The machine-readable part of an event, apart from it so that erasing it leaves the fact standing."""

    event = models.OneToOneField(
        Event, on_delete=models.PROTECT, primary_key=True, related_name="payload", editable=False
    )
    data = models.JSONField(encoder=DjangoJSONEncoder)
    salt = models.BinaryField(max_length=32, db_default=FRESH_SALT, editable=False)

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
    # No constraint of the database: a trigger adds it beside its event, and no event ever goes. A check would
    # lock the event's row again at each commit.
    event = models.OneToOneField(
        Event, on_delete=models.PROTECT, related_name="pending", editable=False, db_constraint=False
    )

    class Meta:
        default_permissions = []

    def __str__(self) -> str:
        return f"{self.event_id} waits for its position"


class Position(AppendOnlyModel):
    """The place of an event in the ledger: 1, 2, 3 ... without a gap, in an order safe to read by."""

    position = models.BigIntegerField(primary_key=True)
    # As in the queue, which is where it comes from.
    event = models.OneToOneField(
        Event, on_delete=models.PROTECT, related_name="placement", editable=False, db_constraint=False
    )

    class Meta:
        base_manager_name = "objects"
        default_permissions = []
        constraints = [
            models.CheckConstraint(condition=models.Q(position__gte=1), name="position_starts_at_one")
        ]

    def __str__(self) -> str:
        return str(self.position)


class Erasure(AppendOnlyModel):
    """That a part of an event was erased, and which event tells of it. Nothing is erased without such a row."""

    class Part(models.TextChoices):
        DATA = "data", "Payload"
        WORDS = "words", "Words"

    id = models.BigAutoField(primary_key=True)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="erasures", editable=False)
    part = models.CharField(max_length=5, choices=Part)
    cause = models.ForeignKey(
        Event, on_delete=models.PROTECT, related_name="+", help_text="The event that tells of the erasure."
    )

    class Meta:
        base_manager_name = "objects"
        default_permissions = []
        constraints = [models.UniqueConstraint(fields=["event", "part"], name="erasure_once_per_part")]

    def __str__(self) -> str:
        return f"{self.part} of {self.event_id}"
