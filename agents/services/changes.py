"""Changes of authority that need a second person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models import ChangeRequest
from audit.vocabulary import Actor, Ref


def propose_change(
    *,
    actor: Actor,
    kind: str,
    target: Ref,
    payload: Mapping[str, Any],
    summary: str,
    reason: str,
    target_version: str = "",
) -> ChangeRequest:
    """Ask for a change of authority; it waits until another person applies or rejects it."""
    raise NotImplementedError


def apply_change(*, actor: Actor, change_request: ChangeRequest, reason: str) -> ChangeRequest:
    """Apply exactly what was proposed; the actor must be a person other than the proposer, whoever calls this.

    Raises Refusal ``not_a_person``, ``same_person``, ``already_decided``, ``payload_changed`` or
    ``stale_target``.
    """
    raise NotImplementedError


def reject_change(*, actor: Actor, change_request: ChangeRequest, reason: str) -> ChangeRequest:
    """Refuse a proposed change; the proposer may withdraw, but not reject, their own."""
    raise NotImplementedError


def withdraw_change(*, actor: Actor, change_request: ChangeRequest, reason: str) -> ChangeRequest:
    """Take back one's own proposal."""
    raise NotImplementedError
