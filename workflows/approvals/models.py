"""An approval binds what people decided to exactly what they saw; it is good for one use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from agents.models.tracked import CheckedTogether
from audit.vocabulary import Ref
from workflows.tasks.models import Task


class Approval(CheckedTogether):
    """A question to people about one subject, with the rule for its votes snapshotted when it was asked."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        EXPIRED = "expired", "Expired"
        WITHDRAWN = "withdrawn", "Withdrawn"
        SUPERSEDED = "superseded", "Superseded"

    TRANSITIONS = {
        State.PENDING: {
            State.APPROVED,
            State.REJECTED,
            State.EXPIRED,
            State.WITHDRAWN,
            State.SUPERSEDED,
        },
        State.APPROVED: set(),
        State.REJECTED: set(),
        State.EXPIRED: set(),
        State.WITHDRAWN: set(),
        State.SUPERSEDED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject_kind = models.CharField(max_length=80, help_text="What is to be approved: app_label.model.")
    subject_id = models.CharField(max_length=80)
    subject_label = models.CharField(max_length=300, help_text="The same in business words.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of what people see and decide on.")
    binding = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the rules and grants that held it."
    )
    requester_kind = models.CharField(max_length=10)
    requester_id = models.CharField(max_length=80)
    requester_label = models.CharField(max_length=300)
    excluded_ids = models.JSONField(
        default=list, blank=True, help_text="Users who may not vote besides the requester (four eyes)."
    )
    quorum = models.PositiveSmallIntegerField(
        default=1, help_text="How many different people must approve, at all stages together."
    )
    approver_groups = models.ManyToManyField(
        Group, related_name="+", help_text="Who may vote now: members of every one of these groups."
    )
    stage = models.PositiveSmallIntegerField(
        default=1, help_text="Which of its stages is on: 1, 2 ... The later ones wait."
    )
    step_up = models.BooleanField(
        default=False, help_text="Whether who approves must have shown again who they are just before."
    )
    policy_version = models.CharField(max_length=40, blank=True)
    sentence = models.CharField(max_length=500, help_text="Why it waits for people, in plain words.")
    explanation = models.JSONField(default=dict, blank=True, help_text="Every rule evaluated, with its result.")
    references = models.JSONField(default=dict, blank=True, help_text="Ids its events carry.")
    expires_at = models.DateTimeField(help_text="When it lapses; a lapsed approval is a refusal.")
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=1000, blank=True, help_text="The reason of the vote that decided.")
    task = models.OneToOneField(Task, on_delete=models.PROTECT, related_name="approval")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    decided_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True, help_text="When it was used. It serves only once.")
    remind_at = models.DateTimeField(
        null=True, blank=True, help_text="When those who may vote are reminded; empty: never."
    )
    remind_seconds = models.PositiveIntegerField(
        default=0, help_text="After so many seconds of each stage people are reminded; 0: as in the company."
    )
    reminded_at = models.DateTimeField(null=True, blank=True, help_text="When they were reminded.")
    clock_stopped_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when its times stand still; they go on by as much later."
    )
    clock_reason = models.CharField(max_length=300, blank=True, help_text="Why they stand still, in words.")
    calendar = models.JSONField(
        default=dict, blank=True, help_text="The working hours its times count in, as they were then."
    )
    end_in_working_time = models.BooleanField(default=False, help_text="Its end counts in working hours.")
    reminder_in_working_time = models.BooleanField(
        default=False, help_text="Its reminder counts in working hours."
    )

    class Meta:
        ordering = ["-id"]
        permissions = [("reassign_approval", "Can hand what waits for others to other approvers")]
        constraints = [
            models.UniqueConstraint(
                fields=["subject_kind", "subject_id"],
                condition=Q(state="pending"),
                name="approval_one_pending_per_subject",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=["pending", "approved", "rejected", "expired", "withdrawn", "superseded"]
                ),
                name="approval_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="pending", decided_at__isnull=True)
                | (~Q(state="pending") & Q(decided_at__isnull=False)),
                name="approval_decided_when_final",
            ),
            models.CheckConstraint(
                condition=Q(used_at__isnull=True) | Q(state="approved"), name="approval_used_only_when_approved"
            ),
            models.CheckConstraint(condition=Q(quorum__gte=1), name="approval_quorum_positive"),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="pending"), name="approval_pending_due"),
            models.Index(fields=["created_at"], name="approval_created"),
            models.Index(fields=["decided_at"], name="approval_decided"),
            # For who sees few: by what they are about, and by who asked.
            models.Index(fields=["subject_id"], name="approval_about"),
            models.Index(fields=["requester_id"], name="approval_asked_by"),
            models.Index(
                fields=["remind_at"],
                condition=Q(state="pending", reminded_at__isnull=True),
                name="approval_remind_due",
            ),
            models.Index(
                fields=["clock_stopped_at"],
                condition=Q(state="pending", clock_stopped_at__isnull=False),
                name="approval_clock_stands",
            ),
        ]

    def __str__(self) -> str:
        return self.subject_label

    @property
    def subject(self) -> Ref:
        """Return what is to be approved."""
        return Ref(self.subject_kind, self.subject_id, self.subject_label)

    def as_ref(self) -> Ref:
        """Return the approval itself as the subject of an event."""
        return Ref("approvals.approval", str(self.pk), self.subject_label)

    def event_refs(self) -> dict[str, Any]:
        """Return the indexed references its events carry."""
        return dict(self.references)


class Stage(models.Model):
    """Who decides at one stage of an approval, and how many of them. Fixed when it is asked."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="stages")
    number = models.PositiveSmallIntegerField(help_text="1, 2 ... without gaps.")
    groups = models.ManyToManyField(
        Group, related_name="+", help_text="Who may vote at it: members of every one of these groups."
    )
    quorum = models.PositiveSmallIntegerField(default=1, help_text="How many must approve at it.")
    refuse_seconds = models.PositiveIntegerField(
        default=0, help_text="After so many seconds of it nobody decides it any more: refused. 0: not so."
    )
    refuse_working_seconds = models.PositiveIntegerField(
        default=0, help_text="The same in working time; of both the sooner counts."
    )
    begun_at = models.DateTimeField(null=True, blank=True, help_text="When its people were asked.")
    agreed_at = models.DateTimeField(
        null=True, blank=True, help_text="When as many as its quorum had approved."
    )

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["approval", "number"], name="approval_stage_once"),
            models.CheckConstraint(condition=Q(number__gte=1, quorum__gte=1), name="approval_stage_counted"),
            models.CheckConstraint(
                condition=Q(agreed_at__isnull=True) | Q(begun_at__isnull=False),
                name="approval_stage_begun_before_agreed",
            ),
        ]

    def __str__(self) -> str:
        return f"stage {self.number}"


class Escalation(models.Model):
    """Who may vote in place of one group of an approval from a time on. Fixed when it is asked; done once.

    Where several rows are one level, who stands in is all of them. One that nobody can be is passed over. It
    stands in at one stage only; the time of a later stage is counted from when that begins.
    """

    class Asks(models.TextChoices):
        GROUP = "group", "A group"
        SPONSOR = "sponsor", "The agent's sponsor"
        MANAGER = "manager", "The sponsor's manager"
        HEAD = "head", "The head of the department"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="escalations")
    stands_for = models.ForeignKey(
        Group, on_delete=models.PROTECT, related_name="+", help_text="The group of the approval it is for."
    )
    level = models.PositiveSmallIntegerField(default=1, help_text="1, 2, 3 ... for its group.")
    asks = models.CharField(
        max_length=7, choices=Asks, default=Asks.GROUP, help_text="Who they are to the case."
    )
    group = models.ForeignKey(
        Group,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Whose members may vote, too.",
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Or the person who may.",
    )
    in_working_time = models.BooleanField(default=False, help_text="Its time counts in working hours.")
    passed_over = models.CharField(
        max_length=300, blank=True, help_text="Why nobody is asked here, and the next level is in its place."
    )
    stage = models.PositiveSmallIntegerField(default=1, help_text="At which stage of it.")
    seconds = models.PositiveIntegerField(default=0, help_text="After how many seconds of that stage.")
    working_seconds = models.PositiveIntegerField(
        default=0, help_text="And after how many of working time; of both the later counts."
    )
    at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When, unless it is decided before; it moves with the clock. Empty: its stage has not begun.",
    )
    done_at = models.DateTimeField(null=True, blank=True, help_text="When they were asked.")

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["approval", "stage", "stands_for", "level", "asks", "group"],
                nulls_distinct=False,
                name="escalation_once",
            ),
            models.CheckConstraint(
                condition=Q(group__isnull=False, person__isnull=True, asks="group")
                | Q(group__isnull=True, person__isnull=False, asks__in=["sponsor", "manager", "head"])
                | (Q(group__isnull=True, person__isnull=True) & ~Q(passed_over="")),
                name="escalation_asks_somebody",
            ),
        ]
        indexes = [models.Index(fields=["at"], condition=Q(done_at=None), name="escalation_due")]

    def __str__(self) -> str:
        return f"{self.whom} for {self.stands_for}"

    @property
    def whom(self) -> str:
        """Return whom it asks in words: ``Directors``, ``Carol (the sponsor's manager)``."""
        if self.asks == self.Asks.GROUP:
            return str(self.group or "A group that is gone")
        role = self.get_asks_display()
        return f"{self.person} ({role[:1].lower()}{role[1:]})" if self.person_id else role


class Opening(models.Model):
    """That a person had all of an approval before them: once per person, so that a look is no decision."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="openings")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["approval", "person"], name="opening_once_per_person")]

    def __str__(self) -> str:
        return f"{self.person}: {self.approval}"


class QuickDecisions(models.Model):
    """That a person's decisions came very fast, or unread, in one period: their managers were told, once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    period_start = models.DateField(help_text="The first day of the period, by the company's clock.")
    sentence = models.CharField(max_length=500, help_text="What was seen, in plain words.")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "quick decisions"
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["person", "period_start"], name="quick_once_per_period")]

    def __str__(self) -> str:
        return f"{self.person}, from {self.period_start}"


class RejectCode(models.TextChoices):
    """Why something is rejected, as it is counted."""

    WRONG_DATA = "wrong_data", "A value is wrong"
    NOT_NEEDED = "not_needed", "It is not needed"
    DUPLICATE = "duplicate", "It was done already"
    NO_EVIDENCE = "no_evidence", "The evidence is missing or does not fit"
    AGAINST_RULES = "against_rules", "It is against the rules of the company"
    TOO_RISKY = "too_risky", "It is too risky"
    OTHER = "other", "Something else"


class Vote(models.Model):
    """One person's answer. One per person and approval, never changed; whoever it goes through has no other."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", "Approve"
        REJECT = "reject", "Reject"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="votes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="votes")
    on_behalf_of = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who is away, and whose right it is; empty: the voter's own.",
    )
    through = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who handed it on between, being away too.",
    )
    stage = models.PositiveSmallIntegerField(default=1, help_text="At which stage it was cast.")
    step_up_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the voter had shown again who they are; empty: it did not matter.",
    )
    step_up_method = models.CharField(max_length=20, blank=True, help_text="How: password.")
    verdict = models.CharField(max_length=8, choices=Verdict)
    reason = models.CharField(max_length=1000, help_text="Why; it reaches whoever asked.")
    code = models.CharField(
        max_length=20, choices=RejectCode, blank=True, help_text="Of a rejection: what kind of reason it is."
    )
    instead = models.CharField(
        max_length=1000, blank=True, help_text="Of a rejection: what the agent is told to do instead."
    )
    digest = models.CharField(max_length=64, help_text="SHA-256 of what this person saw.")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["approval", "user"], name="vote_once_per_person"),
            models.CheckConstraint(condition=Q(verdict__in=["approve", "reject"]), name="vote_verdict_known"),
            models.CheckConstraint(
                condition=Q(through__isnull=True) | Q(on_behalf_of__isnull=False),
                name="vote_through_for_somebody",
            ),
            models.CheckConstraint(
                condition=Q(step_up_at__isnull=True, step_up_method="")
                | (Q(step_up_at__isnull=False) & ~Q(step_up_method="")),
                name="vote_step_up_when_and_how",
            ),
            models.CheckConstraint(
                condition=Q(verdict="reject") | Q(code="", instead=""), name="vote_code_of_a_rejection"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.whose}: {self.verdict}"

    @property
    def whose(self) -> str:
        """Return whose vote it is in words, e.g. ``Bob for Carol``."""
        between = f", who stands in for {self.on_behalf_of}" if self.through_id else ""
        whom = self.through if self.through_id else self.on_behalf_of
        return f"{self.user} for {whom}{between}" if whom else str(self.user)


class Delegation(CheckedTogether):
    """Who decides for somebody who is away, from one day to another of the company's clock, both included.

    It hands on what the person could decide themselves at that moment; nothing is left of it once withdrawn.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    giver = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", help_text="Who is away."
    )
    delegate = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", help_text="Who decides meanwhile."
    )
    first_day = models.DateField(help_text="First day it is in force.")
    last_day = models.DateField(help_text="Last day it is in force.")
    reason = models.CharField(max_length=1000, help_text="Why; the delegate reads it too.")
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who said so: the person themselves, or a manager on whose word a second person agreed.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True, help_text="When it was ended before its time.")
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    withdraw_reason = models.CharField(max_length=1000, blank=True)

    class Meta:
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("delegate_for_others", "Can say who decides for somebody who is away")]
        constraints = [
            models.CheckConstraint(condition=~Q(giver=F("delegate")), name="delegation_between_two"),
            models.CheckConstraint(condition=Q(first_day__lte=F("last_day")), name="delegation_days_in_order"),
            models.CheckConstraint(
                condition=Q(withdrawn_at__isnull=True, withdrawn_by__isnull=True)
                | Q(withdrawn_at__isnull=False, withdrawn_by__isnull=False),
                name="delegation_withdrawn_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["delegate"], condition=Q(withdrawn_at=None), name="delegation_to"),
            models.Index(fields=["giver"], condition=Q(withdrawn_at=None), name="delegation_of"),
        ]

    def __str__(self) -> str:
        return f"{self.delegate} for {self.giver}, {self.first_day} to {self.last_day}"

    def as_ref(self) -> Ref:
        """Return it as the subject of an event."""
        return Ref("approvals.delegation", str(self.pk), str(self))
