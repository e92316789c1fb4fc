"""Read-only questions about approvals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, Q, QuerySet

from agents.models import User
from workflows.approvals import registry
from workflows.approvals.models import Approval


def visible_to(user: User) -> QuerySet[Approval]:
    """Return the approvals a user may see: their group's, what their subject shows them, or all by permission.

    Agents see none: they read the action, which carries the decision and its reason.
    """
    if not user.is_active or user.kind != User.Kind.PERSON:
        return Approval.objects.none()
    if user.has_perm("approvals.view_approval"):
        return Approval.objects.all()
    shown = _could_vote(user) | Q(requester_id=str(user.pk))
    for kind, subject in registry.subject_kinds().items():
        if (extra := subject.visible_to(user)) is not None:
            shown |= Q(subject_kind=kind) & extra
    return Approval.objects.filter(shown)


def pending_for(user: User) -> QuerySet[Approval]:
    """Return what a user could decide now: of their groups, not theirs, not voted yet, soonest first."""
    if user.kind != User.Kind.PERSON:
        return Approval.objects.none()
    return (
        Approval.objects.filter(_could_vote(user), state=Approval.State.PENDING)
        .exclude(requester_id=str(user.pk))
        .exclude(excluded_ids__contains=str(user.pk))
        .exclude(votes__user=user)
        .select_related("task")
        .prefetch_related("approver_groups")
        .order_by("expires_at", "id")
    )


def asked_of(user: User) -> QuerySet[Approval]:
    """Return the approvals that are or were for the groups of a person to decide; none for an agent."""
    if not user.is_active or user.kind != User.Kind.PERSON:
        return Approval.objects.none()
    return Approval.objects.filter(_could_vote(user))


def approver_groups(names: Iterable[str]) -> list[Group]:
    """Return the groups an obligation names; no name means the company's ordinary approvers."""
    return list(
        Group.objects.filter(name__in=list(names) or [settings.DEFAULT_APPROVER_GROUP]).order_by("name")
    )


def is_approver(user_id: str, approval: Approval) -> bool:
    """Say whether somebody is active and in every group of an approval, now."""
    return User.objects.filter(pk=user_id, is_active=True).exists() and not (
        approval.approver_groups.exclude(user__pk=user_id).exists()
    )


def description(approval: Approval) -> dict[str, Any]:
    """Return what a voter must see, as its subject describes it."""
    return registry.subject_of(approval.subject_kind).describe(approval)


def _could_vote(user: User) -> Q:
    """Pending for the groups of a user: none of an approval's groups is one the user is not in."""
    mine = user.groups.order_by().values("pk")
    asked = Approval.approver_groups.through.objects.filter(approval=OuterRef("pk"))
    return Q(Exists(asked)) & ~Q(Exists(asked.exclude(group__in=mine)))
