"""The snapshot of all authority, and the facts of one agent, as the decision function reads them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from typing import Any, TypeVar, cast
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from agents import registry
from agents.decision.facts import (
    AgentFacts,
    MeasureDefinition,
    OperationFacts,
    RuleFacts,
    Snapshot,
    StopFacts,
)
from agents.decision.levels import levels_on_record
from agents.decision.lines import lines_on_record
from agents.models import Agent, CompanySettings, Department, LifecycleTerms, Measure, Policy, Rule, Stop, User
from audit.once import once
from audit.selectors import database_now
from audit.vocabulary import Refusal, RefusalKind

_TRIES = 5
MOST_LEVELS = 50
_UPWARD = """
WITH RECURSIVE upward(id, code, parent_id, depth) AS (
    SELECT id, code, parent_id, 0 FROM agents_department WHERE id = %s
    UNION ALL
    SELECT d.id, d.code, d.parent_id, u.depth + 1
      FROM agents_department d JOIN upward u ON d.id = u.parent_id
     WHERE u.depth < 50
)
SELECT id, code FROM upward ORDER BY depth
"""

T = TypeVar("T")
Row = Mapping[str, Any]  # of an agent, by _COLUMNS


@dataclass(frozen=True, slots=True)
class _Edition:
    """All authority at one version, and what else was read since then that only changes with it."""

    stamp: UUID | None
    snapshot: Snapshot
    kept: dict[Hashable, Any] = field(default_factory=dict)


# The newest edition of this process. The stamp is unique to one committed or rolled-back change, so what was
# read inside a transaction that later rolled back can never be mistaken for anything that happened.
_newest: _Edition | None = None


@dataclass(frozen=True, slots=True)
class PresentAuthority:
    """All authority at its present version, read at ``now`` of the database's clock.

    Who an agent is and what an operation is move with the version, too: both are read once for each.
    """

    now: datetime
    _edition: _Edition

    @property
    def snapshot(self) -> Snapshot:
        """Return policies, limits, grants and stops."""
        return self._edition.snapshot

    def agent(self, agent: Agent) -> AgentFacts:
        """Return what a decision reads about an agent. A name is no authority: the one given is told."""
        found = self.kept(("agent", agent.pk), lambda: agent_facts(agent))
        return found if found.name == agent.name else replace(found, name=agent.name)

    def operation(self, code: str) -> OperationFacts | None:
        """Return what a decision reads about an operation; None when it is unknown or switched off."""
        return self.kept(("operation", code), lambda: registry.find_operation(code))

    def kept(self, name: Hashable, read: Callable[[], T]) -> T:
        """Return what ``read`` finds, and read it once for this version: what it reads must move with it.

        A None is asked for again: names of what is not there are anybody's to invent.
        """
        kept = self._edition.kept
        if name in kept:
            return cast("T", kept[name])
        found = read()
        # Read after the version: it belongs to it only if the version is still the same.
        if found is not None and self._edition.stamp is not None and self._is_newest():
            kept[name] = found
        return found

    def _is_newest(self) -> bool:
        present = _version()
        return present is not None and present[1] == self._edition.stamp


def authority_snapshot() -> Snapshot:
    """Return all authority at its present version; the version is read from the primary at every call.

    Nothing loaded (no version row) is the empty snapshot, which denies everything. Raises Refusal
    ``authority_changing`` when it changes faster than it can be read.
    """
    return authority_now().snapshot


def authority_now() -> PresentAuthority:
    """Return the same with the database's clock, and with the facts that move with it."""
    global _newest
    for _ in range(_TRIES):
        found = _version()
        if found is None:
            return PresentAuthority(database_now(), _Edition(None, Snapshot()))
        version, stamp, now = found
        cached = _newest
        if cached is not None and cached.stamp == stamp:
            return PresentAuthority(now, cached)
        edition = _Edition(stamp, _load(version))
        # The tables were read one after the other: only if nothing changed meanwhile do they belong together.
        again = _version()
        if again is not None and again[1] == stamp:
            _newest = edition
            return PresentAuthority(now, edition)
    raise Refusal(
        "authority_changing",
        "Nothing was decided: policies and grants are being changed at this moment.",
        kind=RefusalKind.UNAVAILABLE,
        next_step="Try again in a few seconds.",
    )


def _version() -> tuple[int, UUID, datetime] | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version, stamp, clock_timestamp() FROM agents_authorityversion WHERE id = 1")
        row: tuple[int, UUID, datetime] | None = cursor.fetchone()
    return row


def _load(version: int) -> Snapshot:
    return Snapshot(
        version=version,
        # Asked now: what is loaded here is kept for everybody, and a look may have been told an older one.
        company_currency=_present_currency(),
        time_zone=settings.TIME_ZONE,
        policies=Policy.objects.count(),
        rules=tuple(rule_facts(rule) for rule in Rule.objects.select_related(*RULE_RELATED)),
        measures=tuple(measure_definition(measure) for measure in Measure.objects.all()),
        grants=registry.grants(),
        stops=tuple(_stop_facts(stop) for stop in Stop.objects.filter(lifted_at__isnull=True)),
        grace_days={
            str(role or ""): days
            for role, days in LifecycleTerms.objects.values_list("role_id", "attest_grace_days").order_by()
        },
    )


RULE_RELATED = ("policy", "approver_group")


def company_currency() -> str:
    """Return the ISO 4217 code of the company's currency; '' when the company is not set up."""
    return once("company_currency", _present_currency)


def _present_currency() -> str:
    return CompanySettings.objects.values_list("currency", flat=True).filter(pk=1).first() or ""


def rule_facts(rule: Rule) -> RuleFacts:
    """Return a rule as the decision reads it."""
    return RuleFacts(
        rule_id=str(rule.pk),
        policy_id=str(rule.policy_id),
        policy_code=rule.policy.code,
        scope_kind=rule.policy.scope_kind,
        scope_id=rule.policy.scope_id,
        name=rule.name,
        sentence=rule.sentence,
        operations=rule.operations,
        effects=tuple(sorted(rule.effects)),
        condition=rule.condition,
        verdict=rule.verdict,
        mode=rule.mode,
        version=rule.version,
        approver_group=rule.approver_group.name if rule.approver_group else "",
        quorum=rule.quorum,
        note=rule.note,
        redact=tuple(sorted(rule.redact)),
        field=rule.field,
        comparison=rule.comparison,
        value=rule.value,
        also=lines_on_record(rule.also),
        remind_minutes=rule.remind_minutes or 0,
        levels=levels_on_record(rule.levels),
        clock=rule.clock,
        stage=rule.stage,
        step_up=rule.step_up,
    )


def measure_definition(measure: Measure) -> MeasureDefinition:
    """Return a limit as the decision reads it."""
    return MeasureDefinition(
        measure_id=str(measure.pk),
        code=measure.code,
        name=measure.name,
        scope_kind=measure.scope_kind,
        scope_id=measure.scope_id,
        operations=measure.operations,
        key=measure.key,
        amount=measure.amount,
        unit=measure.unit,
        window=measure.window,
        window_seconds=measure.window_seconds,
        ceiling=measure.ceiling,
        on_exceed=measure.on_exceed,
        mode=measure.mode,
        version=measure.version,
        read_for=measure.read_for,
        read_key=measure.read_key,
    )


def _stop_facts(stop: Stop) -> StopFacts:
    return StopFacts(str(stop.pk), stop.scope_kind, stop.scope_id, stop.scope_label, stop.reason, stop.stage)


def agent_facts(agent: Agent) -> AgentFacts:
    """Return what a decision reads about an agent, fresh from the database."""
    agent = Agent.objects.select_related("user", "role", "sponsor").get(pk=agent.pk)
    groups = {str(key) for key in agent.user.groups.values_list("pk", flat=True)}
    return _agent_facts(_row_of(agent), _departments_upward(agent.department_id), groups)


def facts_of_agents(agents: Iterable[Agent]) -> dict[UUID, AgentFacts]:
    """Return the same of agents just read with user, role and sponsor, by their keys, with two queries."""
    found = list(agents)
    memberships = User.groups.through.objects.filter(user__in=[agent.user_id for agent in found])
    return dict(_facts_of_rows(map(_row_of, found), memberships))


def facts_of_many(agents: QuerySet[Agent]) -> dict[UUID, AgentFacts]:
    """Return the same of what a query finds, with three queries; no object is made of each of ten thousand."""
    memberships = User.groups.through.objects.filter(user__kind=User.Kind.AGENT)
    return dict(_facts_of_rows(agents.order_by("pk").values(*_COLUMNS).iterator(), memberships))


def _facts_of_rows(rows: Iterable[Row], memberships: QuerySet[Any]) -> Iterator[tuple[UUID, AgentFacts]]:
    tree = {key: (code, parent) for key, code, parent in Department.objects.values_list("pk", "code", "parent")}
    above = {key: _upward(tree, key) for key in tree}
    groups: dict[UUID, set[str]] = {}
    for user_id, group_id in memberships.values_list("user_id", "group_id"):
        groups.setdefault(user_id, set()).add(str(group_id))
    for row in rows:
        yield row["id"], _agent_facts(row, above[row["department_id"]], groups.get(row["user_id"], set()))


def facts_by_key(agents: Iterable[UUID]) -> dict[UUID, AgentFacts]:
    """Return the same of agents by their keys, fresh from the database, with three queries."""
    found = Agent.objects.select_related("user", "role", "sponsor").filter(pk__in=set(agents))
    return facts_of_agents(found)


# What of an agent, and of what it belongs to, its facts are made of.
_COLUMNS = (
    *("id", "user_id", "name", "code", "department_id", "role_id", "sponsor_id", "deputy_id", "created_at"),
    *("lifecycle", "autonomy", "brake", "risk_tier", "attest_by", "probation_since"),
    *("user__is_active", "role__group_id", "role__code", "sponsor__is_active", "sponsor__kind"),
)


def _row_of(agent: Agent) -> Row:
    return {column: reduce(getattr, column.split("__"), agent) for column in _COLUMNS}


def _agent_facts(row: Row, above: Sequence[tuple[UUID, str]], groups: set[str]) -> AgentFacts:
    return AgentFacts(
        agent_id=str(row["id"]),
        user_id=str(row["user_id"]),
        name=row["name"],
        code=row["code"],
        department_ids=tuple(str(key) for key, _ in above),
        role_id=str(row["role_id"]),
        group_ids=frozenset(groups | {str(row["role__group_id"])}),
        lifecycle=row["lifecycle"] if row["user__is_active"] else "retired",
        autonomy=row["autonomy"],
        brake=row["brake"],
        risk_tier=row["risk_tier"],
        attest_by=row["attest_by"],
        sponsor_active=row["sponsor__is_active"] and row["sponsor__kind"] != User.Kind.AGENT,
        role_code=row["role__code"],
        department_code=above[0][1] if above else "",
        sponsor_id=str(row["sponsor_id"]),
        deputy_id=str(row["deputy_id"] or ""),
        since=row["created_at"].date(),
        on_probation=row["probation_since"] is not None,
    )


def _departments_upward(department_id: Any) -> list[tuple[UUID, str]]:
    with connection.cursor() as cursor:
        cursor.execute(_UPWARD, [department_id])
        return list(cursor.fetchall())


def _upward(tree: Mapping[UUID, tuple[str, UUID | None]], here: UUID | None) -> list[tuple[UUID, str]]:
    found: list[tuple[UUID, str]] = []
    while here is not None and here in tree and len(found) <= MOST_LEVELS:
        code, above = tree[here]
        found.append((here, code))
        here = above
    return found
