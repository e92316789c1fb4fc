"""What happened to an object and to all that binds it, merged from the ledger, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from agents.models import Agent, Certificate, Measure, PolicyScope, Role, Rule, Stop, Throttle, User
from agents.selectors import agent_facts, visible_measures, visible_policies
from audit import reading
from workflows.pages.lines import Line, lines_of

SIZE = 40
# What binds an object is looked for among so many of each kind.
MOST_BINDING = 100


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a history is shown: its word, and what holds for an event of it."""

    key: str
    word: Any
    rest: Q


_WORK = ("actions.", "tasks.", "connectors.call", "agents.token", "agents.model_use", "approvals.", "runs.")


def _is_work() -> Q:
    found = Q()
    for start in _WORK:
        found |= Q(verb__startswith=start)
    return found


CHOICES = (
    Choice("file", _("Who it is and what it may do"), Q(action_id="") & ~_is_work()),
    Choice("people", _("What people did"), Q(actor_kind="person")),
    Choice("refused", _("Refused or held"), Q(decision__in=["deny", "hold"])),
    Choice("all", _("Everything, its work included"), Q()),
)


@dataclass(frozen=True, slots=True)
class History:
    """One page of a history. ``older`` is the address of the next; ``looked``: it goes on from there."""

    lines: list[Line]
    choice: Choice
    older: str
    newer: str
    looked: bool


def history_page(request: HttpRequest, parts: Sequence[Q], first: str) -> History:
    """Return the page that was asked for of what any of some conditions hold for; each has an index."""
    choice = _choice(request, first)
    place = reading.Place(before=_key(request, "before"), after=_key(request, "after"))
    question = reading.Question((reading.one_of(*parts),), choice.rest)
    found = reading.page(request.user, question, place, SIZE)
    return History(
        lines=lines_of(found.events),
        choice=choice,
        older=f"?{urlencode({'show': choice.key, 'before': found.older})}" if found.older else "",
        newer=f"?{urlencode({'show': choice.key, 'after': found.newer})}" if found.newer else "",
        looked=found.looked,
    )


def parts_of_agent(agent: Agent, user: User) -> list[Q]:
    """Return what belongs to an agent's history: itself, what binds it and may be seen, its brakes."""
    facts = agent_facts(agent)
    scopes = _scopes(
        (PolicyScope.AGENT, facts.agent_id),
        (PolicyScope.ROLE, facts.role_id),
        *((PolicyScope.DEPARTMENT, key) for key in facts.department_ids),
    )
    return [
        Q(subject_kind="agents.agent", subject_id=facts.agent_id),
        Q(agent_id=facts.agent_id),
        Q(subject_kind="agents.role", subject_id=facts.role_id),
        *_binding(scopes, user),
        *_about("agents.stop", Stop.objects.filter(scopes | Q(scope_kind=Stop.ScopeKind.EVERYTHING))),
        *_about("agents.throttle", Throttle.objects.filter(scope_kind="agent", scope_id=facts.agent_id)),
        *_about("agents.certificate", Certificate.objects.filter(agent=agent)),
    ]


def parts_of_role(role: Role, user: User) -> list[Q]:
    """Return the same of a role: itself, the rules and limits of it alone, its stops."""
    scopes = _scopes((PolicyScope.ROLE, str(role.pk)))
    return [
        Q(subject_kind="agents.role", subject_id=str(role.pk)),
        *_binding(scopes, user),
        *_about("agents.stop", Stop.objects.filter(scopes)),
    ]


def parts_of_system(key: UUID) -> list[Q]:
    """Return the same of a system: itself, what is recorded of it, its stops."""
    stops = Stop.objects.filter(scope_kind=Stop.ScopeKind.SYSTEM, scope_id=str(key))
    return [
        Q(subject_kind="connectors.system", subject_id=str(key)),
        Q(system_id=str(key)),
        *_about("agents.stop", stops),
    ]


def _binding(scopes: Q, user: User) -> list[Q]:
    whole = scopes | Q(scope_kind=PolicyScope.COMPANY)
    policies = visible_policies(user).filter(whole)
    return [
        *_about("agents.policy", policies),
        *_about("agents.rule", Rule.objects.filter(policy__in=policies.values("pk"))),
        *_about(
            "agents.measure",
            visible_measures(user).filter(whole) if not user.is_agent else Measure.objects.none(),
        ),
    ]


def _scopes(*scopes: tuple[str, str]) -> Q:
    found = Q()
    for kind, key in scopes:
        found |= Q(scope_kind=kind, scope_id=key)
    return found


def _about(kind: str, rows: Any) -> list[Q]:
    keys = [str(key) for key in rows.order_by("-pk").values_list("pk", flat=True)[:MOST_BINDING]]
    return [Q(subject_kind=kind, subject_id__in=keys)] if keys else []


def _choice(request: HttpRequest, first: str) -> Choice:
    key = request.GET.get("show", first)
    return next((it for it in CHOICES if it.key == key), CHOICES[0])


def _key(request: HttpRequest, name: str) -> UUID | None:
    try:
        return UUID(request.GET.get(name, ""))
    except ValueError:
        return None
