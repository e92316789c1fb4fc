"""The file of an agent: who it is, what it may do, how it does, what it works on; and its merged history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.decision.budgets import cost_words
from agents.models import Agent, User
from agents.selectors import (
    company_currency,
    contract_of,
    day,
    signing_of,
    visible_agents,
    visible_certificates,
)
from workflows.pages.access import admin_page, edit_page, for_people, may_edit, page
from workflows.pages.agent_authority import LimitLine, authority_of
from workflows.pages.agent_head import head_of, waiting_of
from workflows.pages.agent_people import people_of
from workflows.pages.agent_work import doings_of, jobs_of, versions_of
from workflows.pages.charts import chart_of
from workflows.pages.object_history import CHOICES, history_page, parts_of_agent
from workflows.staffing.selectors import MOST_COUNTED, Health, health_of

MOST_CERTIFICATES = 4
RELATED = (
    "sponsor",
    "deputy",
    "department__manager",
    "department__parent__parent",
    "role",
    "user",
    "cloned_from",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the file with what it is and what must be known to read it."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


@never_cache
@require_safe
@for_people
def agent_file(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Show an agent as its file has it."""
    user, agent = _user(request), found_agent(request, agent_id)
    contract = contract_of(agent)
    health, authority = health_of(agent), authority_of(user, agent)
    context = {
        **head_of(user, agent, "agent-file", waiting_of(user, agent)),
        **authority,
        **doings_of(user, agent),
        "standing": contract.standing,
        "contract_words": _signed_words(agent, contract),
        "health": health,
        "figures": figures_of(health, authority["limits"]),
        "record": record_of(health),
        "reviews": _reviews(agent),
        "chart": chart_of([it.asked for it in health.days], [it.stepped_in for it in health.days]),
        "most_counted": MOST_COUNTED,
        "certificates": list(_certificates(user, agent)),
        "jobs": jobs_of(user, agent),
        "people": people_of(agent),
        "versions": versions_of(agent),
        "role_link": admin_page(agent.role),
        "settings": _settings(agent),
        "edit_link": edit_page(agent) if may_edit(user, agent) else "",
    }
    return page(request, "portal/agent_file.html", agent.name, **context)


@never_cache
@require_safe
@for_people
def agent_history(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Show what happened to an agent and to what binds it, newest first."""
    user, agent = _user(request), found_agent(request, agent_id)
    history = history_page(request, parts_of_agent(agent, user), "file")
    ledger = f"{reverse('admin:audit_event_changelist')}?kind=agents.agent&object={agent.pk}"
    return page(
        request,
        "portal/agent_history.html",
        _("History of %(name)s") % {"name": agent.name},
        **head_of(user, agent, "agent-history"),
        history=history,
        choices=CHOICES,
        ledger=ledger if user.has_perm("audit.view_event") else "",
    )


def found_agent(request: HttpRequest, agent_id: UUID) -> Agent:
    """Return an agent that this person may see, with what its pages say of it; 404 otherwise."""
    return get_object_or_404(visible_agents(_user(request)).select_related(*RELATED), pk=agent_id)


def figures_of(health: Health, limits: list[LimitLine]) -> list[Figure]:
    """Return how an agent did in numbers; a share of too few is not said."""
    currency = company_currency()
    budget = next((it for it in limits if currency and currency in it.most and it.left), None)
    success = _("too few to say") if health.success_share is None else f"{health.success_share} %"
    return [
        Figure(_("Work done"), f"{health.tasks:,}", _in_runs(health)),
        Figure(_("Asked for"), f"{health.asked:,}", _open_words(health)),
        Figure(_("Done as asked"), success, _("of %(n)s tried") % {"n": f"{health.ended:,}"}),
        Figure(
            _("Failed or in doubt"),
            f"{health.failed + health.in_doubt:,}",
            _("%(n)s refused by rules or limits") % {"n": f"{health.denied:,}"},
            "bad" if health.in_doubt else "",
        ),
        Figure(
            _("People stepped in"), f"{health.stepped_in:,}", _("turned down, changed, found out, taken back")
        ),
        Figure(
            _("Cost of its models"),
            cost_words(health.cost, currency),
            f"{budget.used}, {budget.most}" if budget else _("%(n)s tokens") % {"n": f"{health.tokens:,}"},
        ),
    ]


def record_of(health: Health) -> list[Figure]:
    """Return how far people could rely on it: approvals, changes, what was taken back, what nobody knew."""
    few = _("too few to say")
    of = _("of %(n)s decided by people") % {"n": f"{health.decided:,}"}
    approved, changed = health.approved_share, health.changed_share
    return [
        Figure(_("Approved as asked"), few if approved is None else f"{approved} %", of),
        Figure(_("Changed by people"), few if changed is None else f"{changed} %", of),
        Figure(_("Taken back"), f"{health.reversed:,}", _("undone after it was done")),
        Figure(_("Not as decided"), f"{health.differs:,}", _("found when it was read back")),
        Figure(
            _("Nobody knew what became of it"), f"{health.in_doubt + health.resolved:,}", _doubt_words(health)
        ),
    ]


def _in_runs(health: Health) -> str:
    return ngettext("in %(n)s run", "in %(n)s runs", health.runs) % {"n": f"{health.runs:,}"}


def _open_words(health: Health) -> str:
    return _("%(n)s not ended yet") % {"n": f"{health.open:,}"}


def _doubt_words(health: Health) -> str:
    return _("%(n)s still open") % {"n": f"{health.in_doubt:,}"}


def _reviews(agent: Agent) -> list[str]:
    found = []
    if agent.attest_by:
        found.append(
            _("Its sponsor confirms by %(day)s that it is still needed.") % {"day": day(agent.attest_by)}
        )
    if agent.probation_until:
        text = _("Its probation is planned until %(day)s; it never ends by itself.")
        found.append(text % {"day": day(agent.probation_until)})
    return found


def _signed_words(agent: Agent, contract: Any) -> str:
    signing = signing_of(agent, contract)
    if signing.current:
        one = signing.current[0]
        text = _("The version in force is signed by %(who)s, on %(day)s.")
        return text % {"who": one.signer_label, "day": day(one.signed_at)}
    if signing.last:
        text = _("Changed since %(who)s signed it on %(day)s.")
        return text % {"who": signing.last.signer_label, "day": day(signing.last.signed_at)}
    return _("Nobody has signed it yet.")


def _certificates(user: User, agent: Agent) -> Any:
    newest: Any = visible_certificates(user).filter(agent=agent).order_by("-issued_at", "-pk")
    return newest.only("pk", "kind", "issued_at", "signer_label", "agent")[:MOST_CERTIFICATES]


def _settings(agent: Agent) -> list[tuple[str, str]]:
    none = _("not said")
    found = [
        (_("Made by"), agent.provider or none),
        (_("Model"), agent.model or none),
        (_("Version"), agent.version or none),
        (_("Reached by"), str(agent.get_reached_by_display())),
        (_("Harm a mistake could do"), str(agent.get_risk_tier_display())),
        (_("Labels"), ", ".join(agent.labels) or none),
        (_("Code"), agent.code),
    ]
    if agent.cloned_from:
        found.append((_("Copied from"), agent.cloned_from.name))
    return found


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
