"""Messages to programs that listen, signed by Standard Webhooks 1.0 and sent through the one door."""

from __future__ import annotations

import json
import time
from uuid import UUID

from audit.vocabulary import Refusal
from connectors.services.messages import Answer, post_message
from connectors.services.secrets import open_secret
from workflows.notices.models import Channel, Post
from workflows.notices.services import outgoing
from workflows.tasks.models import Task
from workflows.triggers.policies.signatures import key_of, signature


def send_post(post_id: UUID) -> None:
    """Send one message, if it is due, its channel is on, and what it tells of still waits."""
    post = outgoing.claim(Post, post_id)
    if post is None:
        return
    channel = Channel.objects.select_related("secret").get(pk=post.channel_id)
    if not channel.is_enabled or channel.secret is None:
        outgoing.dropped(post, "The channel is switched off, or has no secret.")
    elif post.notice and post.notice.task.state not in Task.WAITING:
        outgoing.dropped(post, "It was decided meanwhile.")
    else:
        deliver(post, channel)


def deliver(post: Post, channel: Channel) -> Answer:
    """Sign and send a claimed message and write down what came of it."""
    answer = _sent(post, channel)
    post.status = answer.status
    post.save(update_fields=["status"])
    if answer.arrived:
        outgoing.arrived(post)
    else:
        outgoing.failed(post, answer.problem)
    return answer


def signed(key: bytes, message_id: str, at: int, body: bytes) -> dict[str, str]:
    """Return the three headers of Standard Webhooks; ``at`` is in seconds since 1970."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(key, message_id, str(at), body),
    }


def purpose_of(channel: Channel) -> str:
    """Return what the secret of a channel is for; its ciphertext is bound to it."""
    return f"notices.channel {channel.pk}"


def _sent(post: Post, channel: Channel) -> Answer:
    assert channel.secret is not None  # noqa: S101 - its callers asked
    try:
        key = key_of(open_secret(channel.secret, purpose=purpose_of(channel)))
    except Refusal as refusal:
        return Answer(problem=refusal.message)
    body = json.dumps(post.body, ensure_ascii=False).encode()
    return post_message(
        message_id=str(post.pk),
        address=channel.address,
        networks=channel.private_networks,
        headers=signed(key, str(post.pk), int(time.time()), body),
        body=body,
    )
