"""The file of a role: what the job is for, who has it, what it may ask for, what binds it, what needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.decision.patterns import operations_hit, pattern_matches
from agents.decision.speech import count_of
from agents.models import Agent, Measure, PolicyScope, Role, Rule, User
from agents.selectors import (
    terms_for,
    visible_agents,
    visible_certificates,
    visible_measures,
    visible_policies,
    visible_roles,
)
from agents.selectors.sentences import limit_words, rule_words
from agents.services.role_catalogue import shipped_texts, targets_of
from connectors.models import Operation
from connectors.selectors import operations_of_role, operations_within_role
from workflows.pages.access import admin_page, edit_page, for_people, may_edit, page
from workflows.pages.agent_authority import does_tag
from workflows.pages.agent_head import standing_tags
from workflows.pages.agent_work import Job
from workflows.pages.object_history import history_page, parts_of_role
from workflows.pages.words import Tag
from workflows.runs.selectors import visible_workflows
from workflows.staffing.selectors import workflows_for_role
from workflows.tasks.models import Task
from workflows.tasks.selectors import visible_to as visible_tasks

ON_A_PAGE = 25
MOST = 40
MOST_OPEN = 10
COUNTED_TO = 200


@dataclass(frozen=True, slots=True)
class HolderLine:
    """One agent of a role."""

    agent: Agent
    link: str
    tags: list[Tag]


@never_cache
@require_safe
@for_people
def role_file(request: HttpRequest, role_id: UUID) -> HttpResponse:
    """Show a role as its file has it."""
    user = _user(request)
    role = get_object_or_404(visible_roles(user).select_related("group"), pk=role_id)
    operations, held = operations_of_role(role), operations_within_role(role)
    context = {
        "role": role,
        "edit_link": edit_page(role) if user.has_perm("agents.view_role") else "",
        "may_edit": may_edit(user, role),
        "responsibilities": [
            line.strip("-* \t") for line in role.responsibilities.splitlines() if line.strip()
        ],
        "targets": targets_of(role),
        "origin": _origin(role),
        **_holders(request, role),
        "operations": [(it, does_tag(it.effect)) for it in operations[:MOST]],
        "more_operations": max(0, len(operations) - MOST),
        "rules": _rules(user, role, held),
        "limits": _limits(user, role, [it.code for it in held]),
        "terms": _terms(role),
        "jobs": [Job(it.name, edit_page(it), "") for it in _workflows(user, role)],
        **_open_work(user, role),
        "certificates": _certificates(user, role),
        "history": history_page(request, parts_of_role(role, user), "all"),
        "choices": (),
    }
    return page(request, "portal/role_file.html", role.name, **context)


def _holders(request: HttpRequest, role: Role) -> dict[str, Any]:
    """Return a page of the agents of a role by name, and the address that goes on from its last."""
    found: QuerySet[Agent] = visible_agents(_user(request)).filter(role=role)
    after, key = request.GET.get("after", "")[:120].replace("\x00", ""), _key(request.GET.get("key", ""))
    at = found.order_by("name", "pk")
    if after and key:
        at = at.filter(Q(name__gt=after) | Q(name=after, pk__gt=key), name__gte=after)
    rows = list(at.select_related("department", "sponsor")[: ON_A_PAGE + 1])
    shown = rows[:ON_A_PAGE]
    return {
        "holders": [HolderLine(it, admin_page(it), standing_tags(it)) for it in shown],
        "holders_after": shown[-1] if len(rows) > ON_A_PAGE else None,
        "is_later_page": bool(after and key),
        "holders_words": _count_words(found),
        "list_link": f"{reverse('admin:agents_agent_changelist')}?role__id__exact={role.pk}",
    }


def _count_words(found: QuerySet[Agent]) -> str:
    number = found.order_by()[: COUNTED_TO + 1].count()
    if number > COUNTED_TO:
        return _("more than %(n)s") % {"n": COUNTED_TO}
    return ngettext("%(n)s agent", "%(n)s agents", number) % {"n": number}


def _rules(user: User, role: Role, operations: list[Operation]) -> list[tuple[Rule, list[str]]]:
    """Return the enforced rules that speak of what the role may use, those of the role alone first."""
    scopes = Q(policy__scope_kind=PolicyScope.ROLE, policy__scope_id=str(role.pk))
    scopes |= Q(policy__scope_kind=PolicyScope.COMPANY)
    rules = Rule.objects.filter(scopes, policy__in=visible_policies(user), mode=Rule.Mode.ENFORCED)
    found = [
        it
        for it in rules.select_related("policy", "approver_group").order_by("name", "pk")[: MOST * 5]
        if it.policy.scope_kind == PolicyScope.ROLE or _speaks(it, operations)
    ]
    found.sort(key=lambda it: it.policy.scope_kind != PolicyScope.ROLE)
    return [(it, rule_words(it)) for it in found[:MOST]]


def _speaks(rule: Rule, operations: list[Any]) -> bool:
    try:
        return bool(operations_hit(rule.operations, rule.effects, operations))
    except ValueError:
        return True


def _limits(user: User, role: Role, codes: list[str]) -> list[tuple[Measure, str]]:
    scopes = Q(scope_kind=PolicyScope.ROLE, scope_id=str(role.pk)) | Q(scope_kind=PolicyScope.COMPANY)
    limits = visible_measures(user).filter(scopes, ceiling__isnull=False).exclude(mode=Rule.Mode.DRAFT)
    found = [
        it
        for it in limits.order_by("name", "pk")[: MOST * 5]
        if it.scope_kind == PolicyScope.ROLE or _counts(it.operations, codes)
    ]
    return [(it, limit_words(it)) for it in found[:MOST]]


def _counts(pattern: str, codes: list[str]) -> bool:
    try:
        return any(pattern_matches(pattern, code) for code in codes)
    except ValueError:
        return True


def _terms(role: Role) -> list[str]:
    terms = terms_for(role.pk)
    found = [
        _("Probation: %(days)s, ended only by two people.") % {"days": count_of(terms.probation_days, "day")}
    ]
    if terms.attest_every_days:
        every = count_of(terms.attest_every_days, "day")
        found.append(_("Its sponsor confirms every %(days)s that an agent is still needed.") % {"days": every})
    if terms.watches:
        window = count_of(terms.window_days, "day")
        found.append(_("Its record of %(days)s puts an agent back by itself.") % {"days": window})
    return found


def _workflows(user: User, role: Role) -> list[Any]:
    return list(workflows_for_role(role, visible_workflows(user)).order_by("name")[:MOST])


def _open_work(user: User, role: Role) -> dict[str, Any]:
    """Return the work that waits for an agent of a role, the most urgent first."""
    waiting = visible_tasks(user).filter(role=role, state=Task.State.OPEN, waits_for="")
    rows = list(waiting.order_by("priority", "turn")[: COUNTED_TO + 1])
    number = len(rows)
    words = ngettext("%(n)s waits", "%(n)s wait", number) % {"n": number}
    return {
        "open_work": rows[:MOST_OPEN],
        "open_words": _("more than %(n)s wait") % {"n": COUNTED_TO} if number > COUNTED_TO else words,
    }


def _certificates(user: User, role: Role) -> list[Any]:
    newest: Any = visible_certificates(user).filter(agent__role=role).order_by("-issued_at", "-pk")
    return list(newest[:5])


def _origin(role: Role) -> dict[str, str]:
    """Return which template a role was taken from, with the way to what differs from it."""
    told = role.template or {}
    code = str(told.get("code", ""))
    if not code:
        return {}
    link = reverse("role-template", args=[code]) if code in shipped_texts() else ""
    return {"code": code, "version": str(told.get("version", "")), "link": link}


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
