"""The only place that names the groups of live pages. What is announced is committed and numbered already."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

# One group for each right: who may follow the ledger, and who may be asked to decide.
EVENTS = "events"
INBOX = "inbox"
GROUPS = (EVENTS, INBOX)


def group_name(kind: str) -> str:
    """Return the channel group of everybody who holds one right."""
    return f"live.{kind}"


def announce(position: int) -> None:
    """Tell live pages how far the ledger has come: a hint, never the news itself."""
    send = async_to_sync(_send)
    send(position)


async def _send(position: int) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    for kind in GROUPS:
        await layer.group_send(group_name(kind), {"type": "hint", "kind": kind, "position": position})
