"""The outbox: what people are to be told of, what was sent to whom, and where chat systems listen."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from agents.models import Agent
from agents.models.tracked import KeyedModel, tracked
from connectors.models import Secret
from connectors.vocabulary import why_not_address
from workflows.notices.choices import How, State, Why
from workflows.tasks.models import Task


class Notice(models.Model):
    """That a task waits for people, written in the transaction in which it does. Who is told is found later."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="+")
    why = models.CharField(max_length=8, choices=Why)
    at = models.DateTimeField(db_default=Now(), editable=False)
    spread_at = models.DateTimeField(null=True, blank=True, help_text="When it was found whom to tell.")

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["id"], condition=Q(spread_at__isnull=True), name="notice_to_spread")]
        constraints = [
            models.CheckConstraint(condition=Q(why__in=[why.value for why in Why]), name="notice_why_known")
        ]

    def __str__(self) -> str:
        return f"{self.task}: {self.get_why_display()}"


class Preference(models.Model):
    """When a person wants mail. No row: at once."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    how = models.CharField(max_length=7, choices=How, default=How.AT_ONCE)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(how__in=[how.value for how in How]), name="preference_how_known")
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.get_how_display()}"


class Reading(models.Model):
    """How far a person has read their news, and when they were here before. No row: nothing yet."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    read_at = models.DateTimeField(null=True, help_text="What came before is read.")
    here_at = models.DateTimeField(null=True, help_text="When they last looked at their home page.")
    before_at = models.DateTimeField(null=True, help_text="When they were last here before this visit.")

    def __str__(self) -> str:
        return f"{self.person}: read until {self.read_at}"


class Glance(models.Model):
    """One thing that a person marked as read or unread by hand, whatever they have read up to."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    key = models.CharField(max_length=80, help_text="What it is: the id of an event, an approval or a task.")
    is_read = models.BooleanField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "key"], name="glance_once_per_thing")]

    def __str__(self) -> str:
        return f"{self.person}: {self.key}"


class Outgoing(KeyedModel):
    """Something that leaves the house, tried until it arrives or is given up."""

    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often it was tried.")
    next_at = models.DateTimeField(db_default=Now(), help_text="Not tried before.")
    problem = models.CharField(max_length=300, blank=True, help_text="Why the last attempt failed.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class Mail(Outgoing):
    """One mail to one person about one thing or several. Its key makes the Message-ID, the same each time."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state="waiting"), name="mail_to_send"),
            models.Index(fields=["person", "-created_at"], name="mail_of_person"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in State]), name="mail_state_known"
            ),
            models.UniqueConstraint(
                fields=["person"], condition=Q(state="waiting"), name="mail_one_waiting_per_person"
            ),
        ]

    def __str__(self) -> str:
        return f"To {self.person}"


class Line(models.Model):
    """One thing to tell one person of. It waits until it goes into a mail, or is not needed any more."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="lines")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    due_at = models.DateTimeField(help_text="Goes into no mail before.")
    mail = models.ForeignKey(Mail, on_delete=models.PROTECT, null=True, blank=True, related_name="lines")
    is_dropped = models.BooleanField(default=False, help_text="It was not needed any more, or not wanted.")

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["person", "due_at"], condition=Q(mail__isnull=True, is_dropped=False), name="line_waits"
            )
        ]
        constraints = [models.UniqueConstraint(fields=["notice", "person"], name="line_once_per_person")]

    def __str__(self) -> str:
        return f"{self.notice} for {self.person}"


class Channel(KeyedModel):
    """Where a program listens: a chat, told of what waits for certain groups, or an agent's own.

    Every message is signed (Standard Webhooks 1.0); without a secret nothing is sent.
    """

    name = models.CharField(max_length=120, unique=True, help_text="What people call it, e.g. Finance chat.")
    address = models.CharField(
        max_length=500,
        help_text="The address its incoming webhook was given, https://. Whoever knows it can write there.",
    )
    groups = models.ManyToManyField(
        Group, related_name="+", blank=True, help_text="It is told of what waits for these groups."
    )
    agent = models.OneToOneField(
        Agent,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Instead of groups: the agent that listens there; it is told what concerns it.",
    )
    private_networks = models.JSONField(
        default=list,
        blank=True,
        help_text="Networks inside the company the address may lead to, e.g. 10.2.0.0/16.",
    )
    is_enabled = models.BooleanField(default=True, help_text="Off: nothing is sent there.")
    secret = models.OneToOneField(
        Secret, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    history = tracked(excluded_fields=["secret", "address"], m2m_fields=["groups"])

    class Meta:
        ordering = ["name"]
        permissions = [("test_channel", "May send a test message to a channel")]

    def __str__(self) -> str:
        return self.name

    @property
    def host(self) -> str:
        """Return where it leads without the part that is a key to it."""
        return urlsplit(self.address).hostname or ""

    def clean(self) -> None:
        """Refuse an address that egress would refuse later."""
        wrong: dict[str, Any] = {}
        for field, reason in why_not_address(self.address, self.private_networks):
            wrong.setdefault(field, []).append(reason)
        if wrong:
            raise ValidationError(wrong)


class Post(Outgoing):
    """One signed message to one channel, kept as it is sent. Its key is its ``webhook-id``."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="posts")
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, blank=True, related_name="posts")
    body = models.JSONField(help_text="What it says.")
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="What was answered last.")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["next_at"], condition=Q(state="waiting"), name="post_to_send")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in State]), name="post_state_known"
            ),
            models.UniqueConstraint(fields=["channel", "notice"], name="post_once_per_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.body.get('subject') or self.body.get('type', '')} for {self.channel}"
