"""What an event is sealed as, in words for people who never heard of hash trees."""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format

from audit.models import Checkpoint

FINGERPRINT = (
    "Worked out from everything the entry says. Change one letter of it, and another fingerprint comes out."
)
NOT_YET = "Not sealed yet: that comes within seconds while the sequencer runs and has its key."
PROVES = (
    "The signed checkpoint counts {size} entries, this one among them, by one number that depends on each. "
    "Whoever keeps that checkpoint can prove that this entry was in the ledger at that time and is unchanged, "
    "without trusting who runs the portal. It does not prove that what the entry says is true."
)


def checkpoint_of(position: int) -> Checkpoint | None:
    """Return the first signed checkpoint that an event is under."""
    return Checkpoint.objects.filter(tree_size__gte=position).order_by("tree_size").first()


def sentence(event: Any) -> str:
    """Say under which checkpoint an event is sealed, and since when."""
    checkpoint = _checkpoint(event)
    if checkpoint is None:
        return NOT_YET
    signed = date_format(checkpoint.signed_at, "DATETIME_FORMAT")
    return (
        f"No. {event.position:,} under the checkpoint of {checkpoint.tree_size:,} entries, signed {signed} UTC"
    )


def proves(event: Any) -> str:
    """Say what that is worth."""
    checkpoint = _checkpoint(event)
    return "Nothing yet." if checkpoint is None else PROVES.format(size=f"{checkpoint.tree_size:,}")


def proof_address(event: Any) -> str:
    """Return where the proof of a sealed event can be fetched."""
    if _checkpoint(event) is None:
        return ""
    try:
        return reverse("audit-api:ledger-proof", args=[event.pk])
    except NoReverseMatch:
        return ""


def _checkpoint(event: Any) -> Checkpoint | None:
    if not getattr(event, "leaf_hash", None):
        return None
    if not hasattr(event, "checkpoint"):
        event.checkpoint = checkpoint_of(event.position)
    found: Checkpoint | None = event.checkpoint
    return found
