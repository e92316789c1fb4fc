"""The file of a system: what it is, how it does, who may do what there, who depends on it, its keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents import registry
from agents.models import Stop, Throttle, User
from agents.selectors import visible_agents, visible_stops, visible_throttles
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from connectors import services
from connectors.models import Account, Operation, System
from connectors.selectors import (
    Lately,
    agents_using,
    health_of,
    lately,
    operations_of_system,
    roles_using,
    visible_systems,
    why_down,
)
from workflows.pages.access import STATUS_OF_KIND, admin_page, edit_page, for_people, may_edit, page
from workflows.pages.agent_authority import does_tag
from workflows.pages.agent_head import standing_tags
from workflows.pages.object_history import history_page, parts_of_system
from workflows.pages.words import Tag
from workflows.runs.selectors import visible_workflows
from workflows.staffing.selectors import workflows_using

MOST = 60
MOST_AGENTS = 25
COUNTED_TO = 200
HEALTH = {
    "Answers": ("check_circle", "good"),
    "Failing": ("warning", "wait"),
    "Held back": ("block", "bad"),
    "Off": ("power_settings_new", "bad"),
    "Not called yet": ("schedule", ""),
}


@dataclass(frozen=True, slots=True)
class OperationLine:
    """One operation of a system: what it does, since which revision, who may ask for it."""

    operation: Operation
    link: str
    does: Tag
    state: Tag
    may: str


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One key that is used at a system: whose, and how old its secret is; the secret itself is never read."""

    account: Account
    link: str
    used_by: str
    written_at: datetime | None
    age_days: int | None


@never_cache
@require_safe
@for_people
def system_file(request: HttpRequest, system_id: UUID) -> HttpResponse:
    """Show a system as its file has it."""
    return _page(request, _found(request, system_id))


@require_POST
@for_people
def test_system(request: HttpRequest, system_id: UUID) -> HttpResponse:
    """Read something harmless from a system, with its account; the call is on record whatever comes of it."""
    system, actor = _found(request, system_id), _user(request).as_actor()
    try:
        with refusals_recorded(actor=actor, subject=system.as_ref(), system_id=str(system.pk)):
            result = services.test_connection(actor=actor, system=system)
    except Refusal as refusal:
        return _page(request, system, STATUS_OF_KIND.get(refusal.kind, 403), refused=refusal.in_full())
    if result.ok:
        messages.success(request, _("The connection works. %(what)s") % {"what": result.message})
    else:
        messages.error(request, _("The test failed. %(what)s") % {"what": result.message})
    return redirect("system-file", system.pk)


test_system.__test__ = False  # type: ignore[attr-defined]


def _page(request: HttpRequest, system: System, status: int = 200, **said: Any) -> HttpResponse:
    user = _user(request)
    calls = lately(system)
    operations = list(operations_of_system(system)[: MOST + 1])
    context = {
        "system": system,
        "health": getattr(system, "health", None),
        "health_tag": _health_tag(system),
        "down": why_down(system, may_try=False),
        "edit_link": edit_page(system),
        "may_edit": may_edit(user, system),
        "calls": calls,
        "figures": _figures(system, calls),
        "throttles": _throttles(user, system),
        "stops": _stops(user, system),
        "operations": [_line(it, user) for it in operations[:MOST]],
        "more_operations": len(operations) > MOST,
        "accounts": _accounts(user, system),
        "jobs": _jobs(user, [it.code for it in operations]),
        **_dependents(user, system),
        "may_test": user.has_perm("connectors.test_system") and system.is_enabled,
        "history": history_page(request, parts_of_system(system.pk), "file"),
        "calls_link": _calls_link(user, system),
        **said,
    }
    return page(request, "portal/system_file.html", system.name, status, **context)


def _found(request: HttpRequest, system_id: UUID) -> System:
    return get_object_or_404(visible_systems(_user(request)), pk=system_id)


def _health_tag(system: System) -> Tag:
    said = health_of(system)
    icon, tone = HEALTH.get(said, ("help", ""))
    words = {
        "Answers": _("Answers"),
        "Failing": _("Failing"),
        "Held back": _("Held back"),
        "Off": _("Off"),
        "Not called yet": _("Not called yet"),
    }
    return Tag(words.get(said, said), icon, tone)


def _figures(system: System, calls: Lately) -> list[tuple[str, str, str]]:
    most = _("at most %(n)s at once in each process of the portal") % {"n": system.max_concurrent}
    took = _("not known yet") if calls.median_ms is None else _("%(n)s ms") % {"n": f"{calls.median_ms:,}"}
    of = _("of the newest %(n)s calls") % {"n": f"{calls.counted:,}"}
    return [
        (_("Calls now"), f"{calls.now:,}", most),
        (_("Went through"), f"{calls.confirmed:,}", of),
        (_("Failed"), f"{calls.failed:,}", _("nothing was done there")),
        (_("Nobody knew"), f"{calls.unknown:,}", _("looked up afterwards, or by a person")),
        (_("Half of them took less than"), took, of),
    ]


def _throttles(user: User, system: System) -> list[tuple[Throttle, str, list[tuple[str, int]]]]:
    found = visible_throttles(user).filter(
        scope_kind=Throttle.ScopeKind.SYSTEM, scope_id=str(system.pk), is_enabled=True
    )
    rows = []
    for it in found.order_by("name")[:10]:
        parts = [_("%(n)s at once") % {"n": it.most_at_once}] if it.most_at_once else []
        if it.most:
            parts.append(_("%(n)s in %(s)s seconds") % {"n": it.most, "s": it.per_seconds})
        rows.append((it, ", ".join(parts), list(registry.throttle_counts(it).items())))
    return rows


def _stops(user: User, system: System) -> list[Stop]:
    scope = {"scope_kind": Stop.ScopeKind.SYSTEM, "scope_id": str(system.pk)}
    return list(visible_stops(user).filter(**scope).order_by("-raised_at")[:5])


def _line(operation: Any, user: User) -> OperationLine:
    agents, roles = operation.agent_grants, operation.role_grants
    parts = [ngettext("%(n)s agent", "%(n)s agents", agents) % {"n": f"{agents:,}"}] if agents else []
    if roles:
        parts.append(ngettext("%(n)s role", "%(n)s roles", roles) % {"n": f"{roles:,}"})
    return OperationLine(
        operation=operation,
        link=edit_page(operation) if user.has_perm("connectors.view_operation") else "",
        does=does_tag(operation.effect),
        state=_state_of(operation),
        may=", ".join(parts) or _("nobody"),
    )


def _state_of(operation: Operation) -> Tag:
    if operation.current_revision is None:
        return Tag(_("Never published"), "edit_note")
    return (
        Tag(_("In use"), "toggle_on", "good") if operation.is_enabled else Tag(_("Off"), "toggle_off", "wait")
    )


def _accounts(user: User, system: System) -> list[AccountLine] | None:
    """Return the keys used there; None for who may not see accounts."""
    if not user.has_perm("connectors.view_account"):
        return None
    now = timezone.now()
    rows = system.accounts.select_related("role", "agent", "secret").order_by("name")[:MOST]
    return [_account_line(it, now) for it in rows]


def _account_line(account: Account, now: datetime) -> AccountLine:
    written = account.secret.written_at if account.secret else None
    whose = account.agent or account.role or _("everybody else")
    return AccountLine(
        account, edit_page(account), str(whose), written, (now - written).days if written else None
    )


def _dependents(user: User, system: System) -> dict[str, Any]:
    using = agents_using(system).filter(pk__in=visible_agents(user).values("pk"))
    number = using.order_by()[: COUNTED_TO + 1].count()
    shown = using.select_related("role").order_by("name", "pk")[:MOST_AGENTS]
    words = ngettext("%(n)s agent", "%(n)s agents", number) % {"n": number}
    return {
        "agents": [(it, admin_page(it), standing_tags(it)) for it in shown],
        "more_agents": number > MOST_AGENTS,
        "agents_words": _("more than %(n)s agents") % {"n": COUNTED_TO} if number > COUNTED_TO else words,
        "roles": [(it, admin_page(it)) for it in roles_using(system)[:MOST]]
        if user.has_perm("agents.view_role")
        else [],
    }


def _jobs(user: User, codes: list[str]) -> list[tuple[str, str]]:
    found = workflows_using(codes, visible_workflows(user)).order_by("name")[:MOST]
    return [(it.name, edit_page(it)) for it in found]


def _calls_link(user: User, system: System) -> str:
    if not user.has_perm("connectors.view_call"):
        return ""
    return f"{reverse('admin:connectors_call_changelist')}?system__id__exact={system.pk}"


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
