"""The contract of an agent as a page: read, printed, and signed as it was read."""

from __future__ import annotations

from itertools import groupby
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents import policies
from agents.decision.contract import Clause, Contract
from agents.models import Agent, User
from agents.selectors import Signing, contract_of, signing_of
from agents.services import contracts
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.agent_file import found_agent
from workflows.pages.agent_head import head_of


@never_cache
@require_safe
@for_people
def contract(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Show what binds an agent, and who signed it."""
    return _page(request, found_agent(request, agent_id))


@require_POST
@for_people
def sign(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Sign the version that was on the page. The service asks every question again."""
    user: User = request.user  # type: ignore[assignment]
    agent = found_agent(request, agent_id)
    actor, reason = user.as_actor(), request.POST.get("reason", "")
    try:
        with refusals_recorded(actor=actor, subject=agent.as_ref(), **agent.event_refs()):
            contracts.sign_contract(
                actor=actor, agent=agent, digest=request.POST.get("digest", ""), reason=reason
            )
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return _page(request, agent, status, refused=refusal.in_full(), reason=reason)
    messages.success(request, f"You have signed the contract of {agent.name}.")
    return redirect("agent-contract", agent.pk)


def _page(request: HttpRequest, agent: Agent, status: int = 200, **said: Any) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    found = contract_of(agent)
    signing = signing_of(agent, found)
    context = {
        **head_of(user, agent, "agent-contract"),
        "contract": found,
        "version": found.digest[:12],
        "parts": _parts(found),
        "signing": signing,
        "may_sign": _may_sign(user, agent, signing),
    }
    return page(request, "portal/contract.html", f"Contract of {agent.name}", status, **context, **said)


def _parts(contract: Contract) -> list[dict[str, Any]]:
    """Return the sections with their clauses by heading, in the order they stand."""
    return [
        {"key": it.key, "title": it.title, "empty": it.empty, "groups": _by_heading(it.clauses)}
        for it in contract.sections
    ]


def _by_heading(clauses: tuple[Clause, ...]) -> list[tuple[str, list[Clause]]]:
    return [(heading, list(found)) for heading, found in groupby(clauses, key=lambda it: it.heading)]


def _may_sign(user: User, agent: Agent, signing: Signing) -> bool:
    """Say whether the form is of any use to this person; whether they may is asked when they sign."""
    if agent.lifecycle == Agent.Lifecycle.RETIRED or any(it.signer_id == user.pk for it in signing.current):
        return False
    return policies.may_sign_contract(user.as_actor(), agent) is None
