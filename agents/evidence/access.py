"""Who of the people may do what, what they did with it, and which keys agents had."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Q

from agents.evidence.scope import CHUNK, Names
from agents.models import (
    AgentGroupObjectPermission,
    AgentUserObjectPermission,
    ClientSecret,
    PolicyGroupObjectPermission,
    PolicyUserObjectPermission,
    Role,
    User,
)
from audit.evidence import Cell, Column, Kind, Scope, Table, acted_in, event_table, lines

DECIDES = ("agents.decide_changerequest", "actions.resolve_action", "approvals.reassign_approval")
STOPS = ("agents.raise_stop", "agents.pause_agent", "agents.suspend_agent")
SEES_ALL = "audit.view_every_event"
# What changes what agents may do, or who may: the rights of a manager.
_OF_ADMINISTERING = ("agents", "auth", "connectors", "runs", "triggers")
_ADMINISTERS = (
    "add_",
    "change_",
    "publish_",
    "grant_",
    "issue_",
    "activate_",
    "retire_",
    "set_autonomy",
    "lift_",
)


def _people(scope: Scope) -> Iterator[Sequence[Cell]]:
    acted = acted_in(scope)
    asked = _groups_with_rights()
    names = Names()
    found = (
        User.objects.filter(kind=User.Kind.PERSON)
        .order_by("username")
        .prefetch_related("groups", "user_permissions__content_type")
    )
    for person in found.iterator(CHUNK):
        rights = {_code(one) for one in person.user_permissions.all()}
        for group in person.groups.all():
            rights |= asked[group.pk]
        did, last = acted.get(str(person.pk), (0, None))
        yield (
            person.username,
            str(person),
            person.is_active,
            person.is_superuser,
            names.department(person.department_id),
            names.person(person.manager_id),
            sorted(group.name for group in person.groups.all()),
            _may(person, any(right in rights for right in DECIDES)),
            _may(person, any(map(_administers, rights))),
            _may(person, any(right in rights for right in STOPS)),
            _may(person, SEES_ALL in rights),
            person.last_login,
            did,
            last,
            lines(*_flags(person, rights, did, scope)),
        )


def _may(person: User, by_right: bool) -> bool:
    return person.is_active and (person.is_superuser or by_right)


def _administers(right: str) -> bool:
    room, _, name = right.partition(".")
    return room in _OF_ADMINISTERING and name.startswith(_ADMINISTERS)


def _flags(person: User, rights: set[str], did: int, scope: Scope) -> Iterator[str]:
    if not person.is_active:
        return
    if person.is_superuser:
        yield "may do everything"
    if (rights or person.is_superuser) and not did:
        yield "has rights and did nothing in the period"
    if person.last_login is None:
        yield "never signed in"
    elif person.last_login < scope.since:
        yield "last signed in before the period"


def _groups_with_rights() -> dict[Any, set[str]]:
    found: dict[Any, set[str]] = defaultdict(set)
    for group in Group.objects.prefetch_related("permissions__content_type"):
        found[group.pk] = {_code(one) for one in group.permissions.all()}
    return found


def _code(permission: Any) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"


def _groups(scope: Scope) -> Iterator[Sequence[Cell]]:
    roles = dict(Role.objects.values_list("group_id", "name"))
    rights = _groups_with_rights()
    for group in Group.objects.order_by("name").prefetch_related("user_set"):
        members = sorted(str(one) for one in group.user_set.all() if one.is_active)
        role = roles.get(group.pk)
        yield group.name, f"Agents in the role {role}" if role else "People", members, sorted(rights[group.pk])


def _rights(scope: Scope) -> Iterator[Sequence[Cell]]:
    for model in (
        AgentUserObjectPermission,
        AgentGroupObjectPermission,
        PolicyUserObjectPermission,
        PolicyGroupObjectPermission,
    ):
        holder = "user" if "User" in model.__name__ else "group"
        found = model.objects.select_related(holder, "permission__content_type", "content_object")
        for one in found.order_by("pk").iterator(CHUNK):
            of = one.content_object
            yield f"{of._meta.verbose_name} {of}", str(getattr(one, holder)), holder, _code(one.permission)


def _secrets(scope: Scope) -> Iterator[Sequence[Cell]]:
    lasted = Q(revoked_at__isnull=True, expires_at__gte=scope.since) | Q(revoked_at__gte=scope.since)
    found = ClientSecret.objects.filter(
        lasted, scope.of_agents("application__agent_id"), created_at__lt=scope.until
    ).select_related("application__agent")
    for one in found.order_by("created_at", "pk").iterator(CHUNK):
        unused = one.last_used_at is None or one.last_used_at < scope.since
        yield (
            one.application.agent.code,
            one.created_at,
            one.expires_at,
            one.revoked_at,
            one.last_used_at,
            "not used in the period" if unused else "",
        )


TABLES = (
    Table(
        "access.people",
        "People and what they may do",
        "Every person with an account when the pack was built: groups, rights, last sign-in, what is unused.",
        (
            Column("username", "User name"),
            Column("name", "Name"),
            Column("is_active", "Account open", Kind.YES_NO),
            Column("is_superuser", "Superuser", Kind.YES_NO),
            Column("department", "Department"),
            Column("manager", "Reports to"),
            Column("groups", "Groups"),
            Column("decides", "May decide", Kind.YES_NO),
            Column("administers", "May administer", Kind.YES_NO),
            Column("stops", "May stop work", Kind.YES_NO),
            Column("sees_all", "Sees the whole ledger", Kind.YES_NO),
            Column("last_login", "Last signed in", Kind.MOMENT),
            Column("acted", "Entries in the period", Kind.NUMBER),
            Column("last_acted", "Last of them", Kind.MOMENT),
            Column("flags", "To look at"),
        ),
        _people,
        "There is no person.",
        whole_company=True,
    ),
    Table(
        "access.groups",
        "Groups and their rights",
        "Which rights each group had when the pack was built, and who is in it.",
        (
            Column("group", "Group"),
            Column("of", "Of whom"),
            Column("members", "Members with an open account"),
            Column("rights", "Rights"),
        ),
        _groups,
        "There is no group.",
        whole_company=True,
    ),
    Table(
        "access.rights",
        "Rights on single agents and policies",
        "Rights that somebody had on one agent or one policy alone when the pack was built.",
        (
            Column("of", "On"),
            Column("holder", "Who"),
            Column("kind", "Person or group"),
            Column("right", "Right"),
        ),
        _rights,
        "Nobody has a right on a single agent or policy.",
        whole_company=True,
    ),
    event_table(
        "access.changes",
        "Changes of people's accounts and rights",
        "Accounts made, opened, closed, and changes of groups and rights.",
        ("agents.person_changed",),
        empty="No account and no right of a person changed in this period.",
    ),
    Table(
        "access.secrets",
        "Keys that agents sign in with",
        "Which keys were in force in the period and whether they were used. The keys are never shown.",
        (
            Column("agent", "Agent"),
            Column("issued_at", "Issued", Kind.MOMENT),
            Column("expires_at", "Good until", Kind.MOMENT),
            Column("revoked_at", "Revoked", Kind.MOMENT),
            Column("last_used_at", "Last used", Kind.MOMENT),
            Column("flags", "To look at"),
        ),
        _secrets,
        "No agent had a key in this period.",
    ),
    event_table(
        "access.refused",
        "Sign-ins and calls that were refused",
        "Who was not let in: people with a wrong password, agents with a key that is no longer good.",
        (
            "agents.sign_in_refused",
            "agents.step_up_refused",
            "agents.token_refused",
            "agents.call_refused",
            "agents.agent_overreached",
            "audit.change_refused",
        ),
    ),
)
