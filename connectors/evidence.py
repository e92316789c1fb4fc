"""What this room shows an auditor for a period: systems, accounts, operations, and who was let use them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q

from agents.models import Agent, Role, User
from audit import evidence
from audit.evidence import Cell, Column, Kind, Scope, Table, event_table, lines
from connectors.models import (
    Account,
    Call,
    Operation,
    OperationGroupObjectPermission,
    OperationUserObjectPermission,
    System,
)

CHUNK = 2_000
Used = dict[tuple[str, Any], tuple[int, datetime]]


def _systems(scope: Scope) -> Iterator[Sequence[Cell]]:
    for one in System.objects.filter(created_at__lt=scope.until).order_by("code"):
        yield (
            one.code,
            one.name,
            one.get_category_display(),
            one.kind,
            one.get_environment_display(),
            one.base_url,
            [str(host) for host in one.allowed_hosts],
            one.is_enabled,
            one.created_at,
        )


def _accounts(scope: Scope) -> Iterator[Sequence[Cell]]:
    found = Account.objects.select_related("system", "role", "agent", "secret")
    for one in found.order_by("system__code", "name", "pk"):
        whose = f"agent {one.agent}" if one.agent else f"role {one.role}" if one.role else "the system's own"
        written = (one.secret.rotated_at or one.secret.written_at) if one.secret else None
        yield one.system.code, one.name, whose, one.get_scheme_display(), one.username, one.is_enabled, written


def _operations(scope: Scope) -> Iterator[Sequence[Cell]]:
    published = Count("revisions", filter=scope.within("revisions__created_at"))
    found = Operation.objects.filter(created_at__lt=scope.until).annotate(published=published)
    for one in found.select_related("system", "current_revision").order_by("code").iterator(CHUNK):
        revision = one.current_revision
        yield (
            one.code,
            one.system.code,
            one.name,
            one.get_effect_display(),
            one.idempotent,
            one.is_enabled,
            revision.number if revision else None,
            revision.schema_hash if revision else "",
            one.published,
        )


def _calls(scope: Scope) -> Iterator[Sequence[Cell]]:
    found = Call.objects.filter(scope.within("started_at"), _of_agents(scope)).order_by()
    rows = found.values_list("system__code", "purpose", "outcome").annotate(number=Count("pk"))
    purposes, outcomes = dict(Call.Purpose.choices), dict(Call.Outcome.choices)
    for system, purpose, outcome, number in rows.order_by("system__code", "purpose", "outcome"):
        yield system, purposes.get(purpose, purpose), outcomes.get(outcome, outcome), number


def _of_agents(scope: Scope) -> Q:
    return scope.of_agents("agent_id")


def _given_and_taken(scope: Scope) -> Iterator[Sequence[Cell]]:
    """Yield grants that were given or taken, oldest first, from their history."""
    rows: list[tuple[datetime, Any, Sequence[Cell]]] = []
    agents, roles, operations = _agents(), _roles(), dict(Operation.objects.values_list("pk", "code"))
    people = {str(one.pk): str(one) for one in User.objects.filter(kind=User.Kind.PERSON)}
    for model, column, names in (
        (OperationUserObjectPermission, "user_id", agents),
        (OperationGroupObjectPermission, "group_id", roles),
    ):
        history: Any = model.history.model
        for row in history.objects.filter(scope.within("history_date")).iterator(CHUNK):
            agent_id, whom = names.get(getattr(row, column), ("", str(getattr(row, column))))
            if column == "user_id" and not scope.has_agent(agent_id):
                continue
            rows.append(
                (
                    row.history_date,
                    row.history_id,
                    (
                        row.history_date,
                        {"+": "given", "-": "taken"}.get(row.history_type, "changed"),
                        operations.get(row.content_object_id, str(row.content_object_id)),
                        whom,
                        people.get(str(row.history_user_id), "The portal"),
                        row.history_change_reason or "",
                    ),
                )
            )
    return (row for _, _, row in sorted(rows, key=lambda found: (found[0], found[1], str(found[2]))))


def _agents() -> dict[Any, tuple[str, str]]:
    found = Agent.objects.values_list("user_id", "pk", "code")
    return {user: (str(key), f"agent {code}") for user, key, code in found}


def _roles() -> dict[Any, tuple[str, str]]:
    return {group: ("", f"role {code}") for group, code in Role.objects.values_list("group_id", "code")}


def _grants(scope: Scope) -> Iterator[Sequence[Cell]]:
    """Yield every grant in force now, with what was done by it in the period."""
    used = _used(scope)
    of_group: dict[Any, list[str]] = defaultdict(list)
    for agent, group in Agent.objects.values_list("pk", "role__group_id"):
        of_group[group].append(str(agent))
    agents, roles = _agents(), _roles()
    direct = OperationUserObjectPermission.objects.select_related("content_object")
    for one in direct.order_by("content_object__code", "user_id", "pk").iterator(CHUNK):
        agent_id, whom = agents.get(one.user_id, ("", str(one.user_id)))
        if scope.has_agent(agent_id):
            yield _grant(one.content_object, whom, [agent_id], used)
    by_role = OperationGroupObjectPermission.objects.select_related("content_object", "group")
    for given in by_role.order_by("content_object__code", "group_id", "pk").iterator(CHUNK):
        whom = roles.get(given.group_id, ("", f"group {given.group}"))[1]
        holders = [agent for agent in of_group[given.group_id] if scope.has_agent(agent)]
        if holders or scope.agents is None:
            yield _grant(given.content_object, whom, holders, used)


def _grant(operation: Operation, whom: str, holders: list[str], used: Used) -> Sequence[Cell]:
    found = [used[key] for agent in holders if (key := (agent, operation.pk)) in used]
    number, last = sum(one[0] for one in found), max((one[1] for one in found), default=None)
    flags = lines(
        "" if number else "not used in the period",
        "" if operation.is_enabled else "the operation is switched off",
        "" if holders else "no agent has the role",
    )
    return operation.code, operation.get_effect_display(), whom, number, last, flags


def _used(scope: Scope) -> Used:
    found = Call.objects.filter(scope.within("started_at"), purpose=Call.Purpose.EXECUTE).order_by()
    rows = found.values_list("agent_id", "operation_id").annotate(number=Count("pk"), last=Max("started_at"))
    return {(agent, operation): (number, last) for agent, operation, number, last in rows}


def register_tables() -> None:
    """Add the tables of this room."""
    evidence.register(*TABLES)


TABLES = (
    Table(
        "authority.grants",
        "Grants given and taken",
        "Leave to use an operation that an agent or a role was given or lost in the period.",
        (
            Column("at", "When", Kind.MOMENT),
            Column("what", "What"),
            Column("operation", "Operation"),
            Column("whom", "To or from whom"),
            Column("by", "By whom"),
            Column("reason", "Reason given"),
        ),
        _given_and_taken,
        "No grant was given or taken in this period.",
    ),
    Table(
        "access.grants",
        "Grants of agents and their use",
        "What each agent or role may use now, and how often it did in the period; what was not used is marked.",
        (
            Column("operation", "Operation"),
            Column("effect", "What it does"),
            Column("whom", "Who may use it"),
            Column("used", "Calls in the period", Kind.NUMBER),
            Column("last_used_at", "Last", Kind.MOMENT),
            Column("flags", "To look at"),
        ),
        _grants,
        "No agent may use anything.",
    ),
    Table(
        "systems.register",
        "Systems",
        "The systems that were installed until the end of the period, as they are set up now.",
        (
            Column("code", "Code"),
            Column("name", "Name"),
            Column("category", "Category"),
            Column("driver", "Driver"),
            Column("environment", "Environment"),
            Column("address", "Address"),
            Column("allowed_hosts", "May call"),
            Column("is_enabled", "On", Kind.YES_NO),
            Column("installed_at", "Installed", Kind.MOMENT),
        ),
        _systems,
        "No system was installed.",
        whole_company=True,
    ),
    Table(
        "systems.accounts",
        "Accounts",
        "As whom calls are made. The keys are kept encrypted and are never shown.",
        (
            Column("system", "System"),
            Column("name", "Account"),
            Column("whose", "Used by"),
            Column("scheme", "How it signs in"),
            Column("username", "User name"),
            Column("is_enabled", "On", Kind.YES_NO),
            Column("key_written_at", "Key last written", Kind.MOMENT),
        ),
        _accounts,
        "There is no account.",
        whole_company=True,
    ),
    Table(
        "systems.operations",
        "Operations",
        "What may be asked of a system at all, in which published revision.",
        (
            Column("code", "Operation"),
            Column("system", "System"),
            Column("name", "What it does"),
            Column("effect", "Effect"),
            Column("idempotent", "Twice is once", Kind.YES_NO),
            Column("is_enabled", "On", Kind.YES_NO),
            Column("revision", "Revision now", Kind.NUMBER),
            Column("digest", "SHA-256 of the revision"),
            Column("published", "Published in the period", Kind.NUMBER),
        ),
        _operations,
        "No operation was published.",
        whole_company=True,
    ),
    event_table(
        "systems.changes",
        "Changes of systems, accounts and operations",
        "What was installed, changed, published or switched, and when keys were written. Not the keys.",
        (
            "connectors.system_installed",
            "connectors.system_changed",
            "connectors.account_added",
            "connectors.account_changed",
            "connectors.secret_written",
            "connectors.secret_dropped",
            "connectors.secrets_rotated",
            "connectors.operation_published",
            "connectors.operation_switched",
        ),
    ),
    Table(
        "systems.calls",
        "Calls to systems",
        "How many calls left the portal in the period, why, and how they ended.",
        (
            Column("system", "System"),
            Column("purpose", "Why"),
            Column("outcome", "How it ended"),
            Column("number", "Calls", Kind.NUMBER),
        ),
        _calls,
        "No call was made in this period.",
    ),
    event_table(
        "incidents.systems",
        "Systems that failed, and calls that were refused",
        "Systems that did not answer, and calls that the portal itself did not let out.",
        ("connectors.breaker_opened", "connectors.breaker_closed", "connectors.call_refused"),
    ),
)
