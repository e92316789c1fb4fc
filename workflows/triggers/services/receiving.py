"""A signed message comes in: proved, read, taken in once, and answered the same however often it comes.

The row of a message and the run it starts are one transaction. A twin of it waits at the row's constraint and
then finds what became of it. What was refused is looked at again when it is sent again: somebody may have
mended the webhook, or lifted the stop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from audit.vocabulary import Refusal, RefusalKind
from workflows.triggers.choices import Outcome
from workflows.triggers.models import HookDelivery, Webhook, WebhookSecret
from workflows.triggers.policies.messages import Message, NotRead, read_message
from workflows.triggers.policies.signatures import NotSigned, require_signed
from workflows.triggers.services.starting import NOT_NOW, Became, record_refused, start
from workflows.triggers.services.webhooks import keys_of

MINUTE = timedelta(seconds=60)
AGAIN_SECONDS = 60
FINAL = (Outcome.STARTED, Outcome.SIGNALLED, Outcome.AGAIN, Outcome.FILTERED)


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a message, and whether that was known before."""

    delivery: HookDelivery
    is_repeat: bool


def require_size(hook_id: UUID, size: int) -> int:
    """Return how many bytes a message at this address may have; raise Refusal for one that says it has more."""
    webhook = Webhook.objects.filter(pk=hook_id).first()
    most = webhook.most_bytes if webhook else 0
    if webhook is not None and size > most:
        _refuse_noted(webhook, _too_large(most))
    return most


def receive(*, hook_id: UUID, headers: Mapping[str, str], body: bytes) -> Received:
    """Take in a message for a webhook; ``headers`` has lower-case names.

    Raises Refusal: not_signed, signature_wrong (also for an address that nobody has: which there are is not
    told), too_old, body_too_large, media_type, not_json, not_a_cloudevent, attributes_not_signed, hook_off,
    message_id_reused, too_many, and whatever a start is refused with.
    """
    webhook = Webhook.objects.select_related("workflow").filter(pk=hook_id).first()
    if webhook is None:
        raise _unproved("signature_wrong", "No signature of it holds under a valid secret.")
    if len(body) > webhook.most_bytes:
        _refuse_noted(webhook, _too_large(webhook.most_bytes))
    message_id = _proved(webhook, headers, body)
    if not webhook.is_enabled:
        _refuse_noted(webhook, _again_later("hook_off", "this webhook is switched off"))
    try:
        message = read_message(
            content_type=headers.get("content-type", ""),
            headers=headers,
            body=body,
            message_id=message_id,
            allow_binary=webhook.allow_binary,
        )
    except NotRead as error:
        words = f"Nothing was started: {error}"
        _refuse_noted(
            webhook, Refusal(error.code, words, kind=RefusalKind.INVALID, next_step="Mend the sender.")
        )
    try:
        received = _taken_in(webhook, message, message_id, hashlib.sha256(body).hexdigest())
    except Refusal as refusal:
        _refuse_noted(webhook, refusal)
    _raise_refused(received.delivery)
    return received


def facts_of(webhook: Webhook, message: Message) -> dict[str, Any]:
    """Return what the CEL of a webhook may read."""
    return {
        "event": dict(message.event),
        "data": message.data,
        "webhook": {"id": str(webhook.pk), "name": webhook.name},
    }


def default_key(webhook: Webhook, message: Message, message_id: str) -> str:
    """Return what names the work: source and id of a CloudEvent, else the id of the message."""
    named = f"{message.event['source']} {message.event['id']}" if message.is_cloudevent else message_id
    key = f"{webhook.pk} {named}"
    if len(key) <= 255 and key.isprintable():
        return key
    return f"{webhook.pk} {hashlib.sha256(named.encode()).hexdigest()}"


def _proved(webhook: Webhook, headers: Mapping[str, str], body: bytes) -> str:
    """Return the id of a message that somebody with a valid secret signed just now."""
    message_id = headers.get("webhook-id", "")
    keys = keys_of(webhook)
    try:
        place = require_signed(
            [key for _, key in keys],
            message_id=message_id,
            timestamp=headers.get("webhook-timestamp", ""),
            signatures=headers.get("webhook-signature", ""),
            body=body,
            now=_now(),
        )
    except NotSigned as error:
        _refuse_noted(webhook, _unproved(error.code, str(error)))
    WebhookSecret.objects.filter(
        Q(last_used_at=None) | Q(last_used_at__lt=Now() - MINUTE), pk=keys[place][0].pk
    ).update(last_used_at=Now())
    return message_id


@transaction.atomic
def _taken_in(webhook: Webhook, message: Message, message_id: str, digest: str) -> Received:
    """Start what a message starts, once: a twin that is being taken in blocks the insert until it has ended."""
    known = HookDelivery.objects.filter(webhook=webhook, message_id=message_id)
    if not known.exists():
        _require_rate(webhook)
    row = HookDelivery(
        webhook=webhook,
        message_id=message_id,
        digest=digest,
        event_type=message.event["type"][:200],
        outcome=Outcome.REFUSED,
        sentence="Being taken in.",
    )
    HookDelivery.objects.bulk_create([row], ignore_conflicts=True)
    delivery = known.select_for_update(of=("self",)).select_related("run").get()
    if delivery.digest != digest:
        raise Refusal(
            "message_id_reused",
            "Nothing was started: another message came with this webhook-id before.",
            kind=RefusalKind.CONFLICT,
            next_step="Give each message an id of its own, and the same one when it is sent again.",
        )
    if delivery.pk != row.pk:
        delivery.attempts, delivery.last_at = F("attempts") + 1, Now()
        delivery.save(update_fields=["attempts", "last_at"])
        if delivery.outcome in FINAL:
            return Received(delivery, is_repeat=True)
    key = default_key(webhook, message, message_id)
    try:
        became = start(webhook, facts_of(webhook, message), key)
    except Refusal as refusal:
        became = Became(Outcome.REFUSED, refusal.message, refusal.code, key)
    delivery.refresh_from_db(fields=["attempts", "last_at"])
    became.fill(delivery)
    return Received(delivery, is_repeat=False)


def _raise_refused(delivery: HookDelivery) -> None:
    """Tell the sender what a message was refused with; what may pass later is to be sent again."""
    if delivery.outcome != Outcome.REFUSED:
        return
    if delivery.code in NOT_NOW:
        raise _again_later(delivery.code, "the workflow takes nothing new now")
    raise Refusal(
        delivery.code,
        f"Nothing was started: {delivery.sentence}",
        detail={"delivery": str(delivery.pk)},
        kind=RefusalKind.INVALID,
        next_step="Correct it, or have the webhook corrected, and send it again with the same webhook-id.",
    )


def _require_rate(webhook: Webhook) -> None:
    lately = HookDelivery.objects.filter(webhook=webhook, at__gt=Now() - MINUTE).exclude(message_id="")
    if lately.count() >= webhook.most_per_minute:
        raise Refusal(
            "too_many",
            f"Nothing was started: more than {webhook.most_per_minute} messages came within a minute.",
            detail={"retry_after": AGAIN_SECONDS},
            kind=RefusalKind.LIMITED,
            next_step="Send it again later, with the same webhook-id.",
        )


def _unproved(code: str, words: str) -> Refusal:
    return Refusal(
        code,
        f"Nothing was started: the message is not proved. {words}",
        kind=RefusalKind.UNAUTHENTICATED,
        next_step="Sign it as Standard Webhooks says, with the secret of this webhook.",
    )


def _too_large(most: int) -> Refusal:
    return Refusal(
        "body_too_large",
        f"Nothing was started: the message is larger than {most} bytes.",
        kind=RefusalKind.TOO_LARGE,
        next_step="Send less, e.g. where the rest can be read.",
    )


def _again_later(code: str, why: str) -> Refusal:
    return Refusal(
        code,
        f"Nothing was started: {why}.",
        detail={"retry_after": AGAIN_SECONDS},
        kind=RefusalKind.UNAVAILABLE,
        next_step="Send it again later, with the same webhook-id.",
    )


def _refuse_noted(webhook: Webhook, refusal: Refusal) -> NoReturn:
    """Refuse, and note it once a minute with a count: whoever knows the address can do this at will."""
    with transaction.atomic():
        counted = HookDelivery.objects.filter(
            webhook=webhook, message_id="", code=refusal.code, at__gt=Now() - MINUTE
        ).update(attempts=F("attempts") + 1, last_at=Now())
        if not counted:
            Became(Outcome.REFUSED, refusal.message, refusal.code).fill(HookDelivery(webhook=webhook))
            record_refused(webhook, refusal.code, refusal.message)
    refusal.recorded = True
    raise refusal


def _now() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM statement_timestamp())")
        return float(cursor.fetchone()[0])
