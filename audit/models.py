"""The ledger's tables: rows that are only ever added, the queue that gives each its position, the seals."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, ClassVar, NoReturn

from django.contrib.postgres.aggregates import JSONBAgg
from django.contrib.postgres.indexes import BrinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.functions import JSONObject, Now
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from simple_history.models import HistoricalRecords
from uuid_utils.compat import uuid7

from audit.vocabulary import ActorKind, Ref, Refusal

# What the EU AI Act (article 19) asks for at least, and the 13 months that hold where nobody says otherwise.
LEAST_DAYS = 183
DEFAULT_DAYS = 396


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


class Leaf(AppendOnlyModel):
    """What is sealed of an event: its place in the tree (position less one), its hash, what it commits to.

    The commitments outlive words and payload: when those are erased the hash can still be worked out.
    """

    index = models.BigIntegerField(primary_key=True)
    leaf_hash = models.BinaryField(max_length=32)
    words_commitment = models.BinaryField(max_length=32)
    data_commitment = models.BinaryField(max_length=32, null=True, help_text="None where there is no payload.")

    class Meta:
        base_manager_name = "objects"
        default_permissions = []

    def __str__(self) -> str:
        return f"leaf {self.index}"


class Tile(AppendOnlyModel):
    """256 hashes of one level of the tree, of which nothing will change (C2SP tlog-tiles); no partial ones."""

    pk = models.CompositePrimaryKey("level", "index")
    level = models.SmallIntegerField(help_text="The tile's hashes are the roots of 256^level leaves each.")
    index = models.BigIntegerField()
    hashes = models.BinaryField(max_length=8192)

    class Meta:
        base_manager_name = "objects"
        default_permissions = []

    def __str__(self) -> str:
        return f"tile {self.level}/{self.index}"


class Checkpoint(AppendOnlyModel):
    """The signed root of the tree at one size (C2SP tlog-checkpoint). A second sealer fails at its key."""

    tree_size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=32)
    note = models.TextField(help_text="The signed note, as it leaves the house.")
    signed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        base_manager_name = "objects"
        default_permissions = []
        indexes = [models.Index(fields=["signed_at"], name="checkpoint_signed_at")]

    def __str__(self) -> str:
        return f"checkpoint at {self.tree_size}"


class SigningKey(AppendOnlyModel):
    """The public half of a key that signed a checkpoint, and since when. The other half is never here."""

    vkey = models.CharField(max_length=300, primary_key=True, help_text="Verifier key of a signed note (C2SP).")
    first_size = models.BigIntegerField(help_text="The size of the first tree it signed.")
    first_used_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        base_manager_name = "objects"
        default_permissions = []

    def __str__(self) -> str:
        return self.vkey


class Cosignature(AppendOnlyModel):
    """What somebody else said of a checkpoint: a witness's signature line, or a time-stamp."""

    class Kind(models.TextChoices):
        WITNESS = "witness", "Signature of a witness"
        TIMESTAMP = "timestamp", "Time-stamp"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="cosignatures")
    kind = models.CharField(max_length=10, choices=Kind)
    source = models.CharField(max_length=300, help_text="The name of the sink it came from.")
    content = models.BinaryField(help_text="The signature line in UTF-8, or the token in DER.")
    received_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        base_manager_name = "objects"
        default_permissions = []
        constraints = [
            models.UniqueConstraint(fields=["checkpoint", "source"], name="cosignature_once_per_source")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.source} at {self.checkpoint_id}"


class Outlet(models.Model):
    """How far one sink of checkpoints, or one stream of events, has got."""

    name = models.CharField(max_length=300, primary_key=True, help_text="Its address without secrets.")
    kind = models.CharField(max_length=20)
    reached = models.BigIntegerField(default=0, help_text="The tree size or position it has, and all before.")
    last_ok_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        default_permissions = []

    def __str__(self) -> str:
        return self.name


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


def governed() -> HistoricalRecords:
    """Return the history of a governed table: every change, by whom, with the reason in full."""
    return HistoricalRecords(history_change_reason_field=models.TextField(null=True))


class RetentionRule(models.Model):
    """How many days one class of data is kept, in a department and those below it, or in the company."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    data_class = models.CharField(max_length=60, help_text="What is kept so long.")
    department_id = models.CharField(
        max_length=64, blank=True, default="", help_text="Whose; empty: the company, where no department says."
    )
    department_label = models.CharField(max_length=120, blank=True, default="")
    days = models.PositiveIntegerField(
        default=DEFAULT_DAYS,
        validators=[
            MinValueValidator(
                LEAST_DAYS, f"At least {LEAST_DAYS} days: the EU AI Act (article 19) asks for six months."
            )
        ],
        help_text=f"Days from its writing until it is erased: {LEAST_DAYS} or more.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    history = governed()

    class Meta:
        ordering = ["data_class", "department_label"]
        default_permissions = ("add", "change", "view")
        constraints = [
            models.UniqueConstraint(
                fields=["data_class", "department_id"],
                name="retention_one_rule",
                violation_error_message="There is a rule for this already: change its days.",
            ),
            models.CheckConstraint(
                condition=models.Q(days__gte=LEAST_DAYS),
                name="retention_not_below_the_law",
                violation_error_message=f"At least {LEAST_DAYS} days: the EU AI Act (article 19) asks for it.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.data_class} of {self.department_label or 'the company'}: {self.days} days"

    def as_ref(self) -> Ref:
        """Return the rule as the subject of an event."""
        return Ref("audit.retentionrule", str(self.pk), str(self))


class LegalHold(models.Model):
    """What nobody may erase until two persons have ended the hold, whatever a rule or a request says."""

    class Scope(models.TextChoices):
        AGENT = "agent", "An agent"
        RUN = "run", "A run"
        ACTION = "action", "An action"
        OBJECT = "object", "An object"
        DEPARTMENT = "department", "A department"
        PERIOD = "period", "A period"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope = models.CharField(max_length=10, choices=Scope, help_text="What kind of thing is held.")
    target_kind = models.CharField(
        "kind of object",
        max_length=100,
        blank=True,
        default="",
        help_text="Of an object: its kind in the ledger, e.g. runs.run.",
    )
    target_id = models.CharField(
        "id of what is held", max_length=64, blank=True, default="", help_text="Its id; of a period: empty."
    )
    begins_on = models.DateField(null=True, blank=True, help_text="Of a period: its first day (UTC).")
    ends_on = models.DateField(null=True, blank=True, help_text="Of a period: its last day (UTC).")
    reason = models.TextField(help_text="Why nothing of it may be erased, e.g. the case it is evidence in.")
    placed_by_id = models.CharField(max_length=64, editable=False)
    placed_by = models.CharField(max_length=200, editable=False)
    placed_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    ended_by_id = models.CharField(max_length=64, blank=True, default="", editable=False)
    agreed_by_id = models.CharField(
        max_length=64, blank=True, default="", editable=False, help_text="The second person."
    )

    history = governed()

    class Meta:
        ordering = ["-id"]
        default_permissions = ("add", "change", "view")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scope="period", target_id="", begins_on__isnull=False, ends_on__isnull=False)
                & models.Q(begins_on__lte=models.F("ends_on"))
                | ~models.Q(scope="period") & ~models.Q(target_id=""),
                name="hold_names_what_it_holds",
                violation_error_message="A period needs its first and last day; everything else needs its id.",
            ),
            models.CheckConstraint(
                condition=~models.Q(scope="object") | ~models.Q(target_kind=""),
                name="hold_of_an_object_names_its_kind",
                violation_error_message="An object needs its kind as the ledger names it, e.g. runs.run.",
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at__isnull=True, ended_by_id="", agreed_by_id="")
                | models.Q(ended_at__isnull=False)
                & ~models.Q(ended_by_id="")
                & ~models.Q(agreed_by_id="")
                & ~models.Q(ended_by_id=models.F("agreed_by_id")),
                name="hold_ended_by_two_persons",
                violation_error_message="A hold is ended by two persons.",
            ),
        ]

    def __str__(self) -> str:
        if self.scope == self.Scope.PERIOD:
            return f"Hold on everything from {self.begins_on} to {self.ends_on}"
        return f"Hold on {self.get_scope_display().lower()} {self.target_id}"

    def as_ref(self) -> Ref:
        """Return the hold as the subject of an event."""
        return Ref("audit.legalhold", str(self.pk), str(self))
