"""Channels: who keeps them, and the secret their messages are signed with, shown once and sealed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from agents import policies
from agents.services.history import lock_row, stamp
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind
from connectors.services.messages import Answer
from connectors.services.secrets import seal
from workflows.notices.models import Channel, Post
from workflows.notices.policies.letters import test_message
from workflows.notices.services import outgoing
from workflows.notices.services.posting import deliver, purpose_of
from workflows.tasks.selectors import database_now
from workflows.triggers.policies.signatures import text_of

FIELDS = ("name", "address", "agent", "private_networks", "is_enabled")
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """A new secret in plain text, the only time there is one."""

    channel: Channel
    secret: str = field(repr=False)


def save_channel(
    *, actor: Actor, values: Mapping[str, Any], reason: str, channel: Channel | None = None
) -> Channel:
    """Keep where messages go, and which groups' work they tell of.

    Raises Refusal, ValidationError by field.
    """
    with transaction.atomic():
        verb, done = ("change", "changed") if channel else ("add", "added")
        policies.require(policies.may(actor, f"notices.{verb}_channel", f"{verb} a channel"))
        policies.require_reason(reason)
        held = lock_row(Channel, channel.pk) if channel else Channel()
        for name in FIELDS:
            if name in values:
                setattr(held, name, values[name])
        held.full_clean(exclude=["created_at"])
        if held.agent_id and _groups(held, values):
            raise ValidationError(
                {"agent": "Choose an agent or groups: its own program hears of its own actions."}
            )
        stamp(held, actor=actor, reason=reason).save()
        if "groups" in values:
            held.groups.set(values["groups"])
        record_event(
            actor=actor,
            verb="notices.channel_changed" if channel else "notices.channel_added",
            subject=held.as_ref(),
            sentence=f"{actor.label} {done} the channel {held.name} at {held.host}.",
            reason=reason,
            code="on" if held.is_enabled else "off",
        )
    return held


def issue_channel_secret(*, actor: Actor, channel: Channel, reason: str) -> IssuedSecret:
    """Return a new secret; the one before it signs nothing any more. Until there is one, nothing is sent."""
    with transaction.atomic():
        policies.require(policies.may(actor, "notices.change_channel", "issue a secret of a channel"))
        policies.require_reason(reason)
        held = lock_row(Channel, channel.pk)
        old, text = held.secret, text_of(secrets.token_bytes(KEY_BYTES))
        held.secret = seal(plaintext=text, purpose=purpose_of(held))
        stamp(held, actor=actor, reason=reason).save(update_fields=["secret"])
        if old:
            old.delete()
        record_event(
            actor=actor,
            verb="notices.channel_secret_issued",
            subject=held.as_ref(),
            sentence=f"{actor.label} issued a secret for the channel {held.name}.",
            reason=reason,
        )
        return IssuedSecret(held, text)


def send_test(*, actor: Actor, channel: Channel, reason: str) -> Answer:
    """Send a message that tells of nothing, now, and return what was answered. Not in a transaction."""
    with transaction.atomic():
        policies.require(policies.may(actor, "notices.test_channel", "test a channel"))
        policies.require_reason(reason)
        held = Channel.objects.select_related("secret").get(pk=channel.pk)
        if held.secret is None or not held.is_enabled:
            raise Refusal(
                "channel_not_ready",
                f"Nothing was sent: {held.name} {'has no secret' if held.is_enabled else 'is switched off'}.",
                kind=RefusalKind.CONFLICT,
                next_step="Issue a secret, or switch the channel on, and try again.",
            )
        post = Post(channel=held)
        at = database_now()
        post.body = dict(test_message(message_id=str(post.pk), at=at.isoformat(), name=held.name))
        post.attempts, post.next_at = 1, at + outgoing.CLAIM
        post.save(force_insert=True)
        record_event(
            actor=actor,
            verb="notices.channel_tested",
            subject=held.as_ref(),
            sentence=f"{actor.label} sent a test to the channel {held.name}.",
            reason=reason,
        )
    answer = deliver(post, held)
    if not answer.arrived:
        outgoing.dropped(post, answer.problem)
    return answer


send_test.__test__ = False  # type: ignore[attr-defined]


def _groups(channel: Channel, values: Mapping[str, Any]) -> bool:
    if "groups" in values:
        return bool(values["groups"])
    return not channel._state.adding and channel.groups.exists()
