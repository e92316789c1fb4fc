"""The first step of the guide that writes a contract: whose it is."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import Agent, Policy, PolicyScope, Role
from agents.selectors import visible_agents
from workflows.pages.access import for_people
from workflows.pages.guides.frame import CONTRACT, REGISTER, shown
from workflows.pages.guides.holders import Holder, holder_of
from workflows.pages.guides.parts import require, user_of

MANY = 20
LONGEST_QUERY = 80


@never_cache
@require_safe
@for_people
def contracts(request: HttpRequest) -> HttpResponse:
    """Ask whose contract it is: an agent or a role, found by name."""
    require(request, CONTRACT)
    if (begun := _begun(request)) is not None:
        return redirect(begun.address("rules"))
    wanted = request.GET.get("q", "")[:LONGEST_QUERY].replace("\x00", "").strip()
    agents = visible_agents(user_of(request)).exclude(lifecycle=Agent.Lifecycle.RETIRED)
    roles = Role.objects.all()
    if wanted:
        agents, roles = agents.filter(name__icontains=wanted), roles.filter(name__icontains=wanted)
    found = list(agents.select_related("role").order_by("name")[: MANY + 1])
    jobs = list(roles.order_by("name")[: MANY + 1])
    return shown(
        request,
        CONTRACT,
        "whom",
        "contract_whom.html",
        q=wanted,
        agents=[(it, Holder(it).address("rules")) for it in found[:MANY]],
        roles=[(it, Holder(it).address("rules")) for it in jobs[:MANY]],
        more=len(found) > MANY or len(jobs) > MANY,
        register=reverse(REGISTER.route) if REGISTER.may(request.user) else "",
    )


def _begun(request: HttpRequest) -> Holder | None:
    try:
        key = UUID(request.GET.get("policy", ""))
    except ValueError:
        return None
    own = Policy.objects.filter(pk=key, scope_kind__in=[PolicyScope.AGENT, PolicyScope.ROLE]).first()
    return holder_of(own) if own else None
