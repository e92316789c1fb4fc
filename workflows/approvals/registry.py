"""What can be approved. Each kind of subject says what happens next; approvals know nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q

from agents.models import Agent, User
from audit.vocabulary import Actor
from workflows.approvals.models import Approval
from workflows.approvals.policies import Shape


@dataclass(frozen=True)
class ApprovalSubject:
    """The four moments of an approval, called in the transaction that decides it.

    ``describe`` returns plain JSON for the page; ``visible_to`` returns which approvals of this kind a user
    may see besides those they may vote on (None: no others); ``few_seen`` the ids of the subjects these are
    about (None: they are many, or nobody counts them); ``agent_of`` which agent can be asked about it;
    ``shapes_of`` in what those are alike, by key, that may be voted on together: the rest is left out.
    """

    describe: Callable[[Approval], dict[str, Any]]
    on_approved: Callable[[Actor, Approval], None]
    on_rejected: Callable[[Actor, Approval], None]
    on_expired: Callable[[Approval], None]
    visible_to: Callable[[User], Q | None]
    few_seen: Callable[[User], Collection[str] | None] = lambda _user: None
    agent_of: Callable[[Approval], Agent | None] = lambda _approval: None
    shapes_of: Callable[[Sequence[Approval]], dict[UUID, Shape]] = lambda _approvals: {}


Reversed = Callable[[set[str]], set[str]]

_subjects: dict[str, ApprovalSubject] = {}


def register_subject(kind: str, subject: ApprovalSubject) -> None:
    """Let subjects of a kind (``app_label.model``) be approved."""
    _subjects[kind] = subject


_reversals: list[Reversed] = []


def register_reversals(find: Reversed) -> None:
    """Let ``find(subject ids)`` name those of them that were undone later."""
    if find not in _reversals:
        _reversals.append(find)


def reversed_among(subject_ids: set[str]) -> set[str]:
    """Return which of these were undone later, as far as anybody knows."""
    return {key for find in _reversals for key in find(subject_ids)} if subject_ids else set()


def subject_of(kind: str) -> ApprovalSubject:
    """Return what to do about subjects of a kind; raise KeyError for one nobody registered."""
    return _subjects[kind]


def subject_kinds() -> dict[str, ApprovalSubject]:
    """Return every registered kind."""
    return dict(_subjects)
