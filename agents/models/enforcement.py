from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from agents.models.stop import Stop
from agents.models.tracked import KeyedModel


class EnforcementPoint(KeyedModel):
    """A process that keeps agents within their limits, and when it was last heard of.

    It writes ``beat_at`` every few seconds (UPDATE of one unindexed column). Its row goes when it ends, when it
    is proved to have ended, or when nothing was heard of it for so long that it is given up.
    """

    class Kind(models.TextChoices):
        PORTAL = "portal", "Portal"
        WORKER = "worker", "Worker"
        CLOCK = "clock", "Engine clock"

    kind = models.CharField(max_length=10, choices=Kind)
    host = models.CharField(max_length=200, help_text="The name of its machine.")
    pid = models.PositiveIntegerField(help_text="Its process id there.")
    place = models.CharField(
        max_length=120,
        blank=True,
        help_text="This start of the machine and its process numbering; empty where that cannot be told.",
    )
    born = models.CharField(
        max_length=40, blank=True, help_text="When the process began, in ticks of the machine."
    )
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now(), help_text="When it was last heard of.")

    class Meta:
        ordering = ["kind", "host", "pid"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pid} on {self.host}"


class Acknowledgement(models.Model):
    """The proof that a stop arrived somewhere: written by whoever it reached, at the moment it did.

    ``version`` is the authority version under which it was written: it proves only a stop of that version or an
    older one.
    """

    class Kind(models.TextChoices):
        PROCESS = "process", "A process of the portal"
        AGENT = "agent", "The token of an agent"
        DUTY = "duty", "What was taken back"
        WHOLE = "whole", "The stop as a whole"

    class Outcome(models.TextChoices):
        SEEN = "seen", "It has seen the stop"
        ENDED = "ended", "It has ended"
        LOST = "lost", "It never answered and was given up"
        REFUSED = "refused", "Its call was refused"
        DONE = "done", "Done"

    stop = models.ForeignKey(Stop, on_delete=models.CASCADE, related_name="acknowledgements")
    kind = models.CharField(max_length=10, choices=Kind)
    key = models.CharField(max_length=64, help_text="Which one: the id of a process or an agent, or a name.")
    label = models.CharField(max_length=260, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome)
    version = models.BigIntegerField(help_text="The authority version that it rests on.")
    count = models.PositiveIntegerField(default=0, help_text="How many, of what was taken back.")
    heard_at = models.DateTimeField(null=True, blank=True, help_text="When a lost process was last heard of.")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["kind", "label"]
        constraints = [
            models.UniqueConstraint(fields=["stop", "kind", "key"], name="agents_acknowledgement_once")
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.get_outcome_display()}"
