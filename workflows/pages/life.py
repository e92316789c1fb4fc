"""The life of an agent as a page: where it stands, its record, what was decided, what may be decided now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents import policies, registry, selectors
from agents.decision.employment import evidence_words
from agents.models import Agent, ChangeRequest, LifecycleTerms, User
from agents.registry import HandoverItem
from agents.services import attesting, lifecycle, probation, sponsors
from agents.services.handing_over import Settlement
from audit.services import refusals_recorded
from audit.vocabulary import Refusal, RefusalKind
from workflows.pages import life_verbs
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.agent_file import found_agent
from workflows.pages.agent_head import head_of, waiting_of

LEFT = "left"
# So many agents are offered for what another one has open: those of its role first.
MOST_RECEIVERS = 60


@dataclass(frozen=True, slots=True)
class Deeds:
    """What this person is offered; whether they may is asked again by the service."""

    promote: bool = False
    waiting: ChangeRequest | None = None
    demote: list[tuple[str, str]] = field(default_factory=list)
    attest: bool = False
    take_over: bool = False
    retire: bool = False


@never_cache
@require_safe
@for_people
def life(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Show the life of an agent."""
    return _page(request, found_agent(request, agent_id))


@require_POST
@for_people
def live_on(request: HttpRequest, agent_id: UUID, verb: str) -> HttpResponse:
    """Decide something about an agent. The service asks every question again."""
    agent, actor = found_agent(request, agent_id), _user(request).as_actor()
    try:
        with refusals_recorded(actor=actor, subject=agent.as_ref(), **agent.event_refs()):
            said = _do(verb, request, agent)
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        fresh = found_agent(request, agent_id)
        return _page(request, fresh, status, refused=refusal.in_full(), refused_verb=verb, sent=request.POST)
    messages.success(request, said)
    return redirect("agent-life", agent.pk)


@never_cache
@require_safe
@for_people
def certificate(request: HttpRequest, certificate_id: UUID) -> HttpResponse:
    """Show what was decided about an agent as a page to print."""
    found = get_object_or_404(selectors.visible_certificates(_user(request)), pk=certificate_id)
    title = str(found.content.get("title", found))
    lines = [str(line) for line in found.content.get("lines", ())]
    return page(request, "portal/certificate.html", title, certificate=found, heading=title, lines=lines)


def _do(verb: str, request: HttpRequest, agent: Agent) -> str:
    if verb in life_verbs.DEEDS:
        return life_verbs.DEEDS[verb](request, _actor(request), agent, _reason(request))
    return _DEEDS[verb](request, agent)


def _promote(request: HttpRequest, agent: Agent) -> str:
    change = probation.propose_promotion(actor=_actor(request), agent=agent, reason=_reason(request))
    return f"It waits for a second person: {change.summary}"


def _demote(request: HttpRequest, agent: Agent) -> str:
    to = request.POST.get("to", "")
    now = probation.demote_agent(actor=_actor(request), agent=agent, to=to, reason=_reason(request))
    return f"{now.name} was put back: {selectors.state_words(now)}."


def _attest(request: HttpRequest, agent: Agent) -> str:
    now = attesting.attest_agent(
        actor=_actor(request),
        agent=agent,
        still_needed=request.POST.get("still_needed") == "on",
        digest=request.POST.get("digest", ""),
        take_away=request.POST.getlist("take_away")[:500],
        reason=_reason(request),
    )
    until = selectors.day(now.attest_by) if now.attest_by else "further notice"
    return f"You have confirmed {now.name} until {until}."


def _take_over(request: HttpRequest, agent: Agent) -> str:
    change = sponsors.propose_takeover(actor=_actor(request), agent=agent, reason=_reason(request))
    return f"It waits for a second person: {change.summary}"


def _retire(request: HttpRequest, agent: Agent) -> str:
    settled: dict[str, Settlement] = {}
    for place, key in enumerate(request.POST.getlist("item")[:500]):
        choice = request.POST.get(f"to-{place}", "")
        if choice:
            why = request.POST.get(f"why-{place}", "")
            settled[key] = Settlement(reason=why, to=_receiver(request, choice))
    lifecycle.retire_agent(actor=_actor(request), agent=agent, reason=_reason(request), settled=settled)
    return f"{agent.name} is retired. What was checked afterwards is in its certificate."


def _receiver(request: HttpRequest, choice: str) -> Agent | None:
    if choice == LEFT:
        return None
    found = selectors.visible_agents(_user(request)).filter(code=choice).first()
    if found is None:
        raise Refusal(
            "handover_unfit",
            "Nothing was changed: the agent that was to get it is not among those you may see.",
            kind=RefusalKind.INVALID,
            next_step="Choose another one, or leave it with a reason.",
        )
    return found


_DEEDS: dict[str, Callable[[HttpRequest, Agent], str]] = {
    "promote": _promote,
    "demote": _demote,
    "attest": _attest,
    "take-over": _take_over,
    "retire": _retire,
}
VERBS = (*life_verbs.DEEDS, *_DEEDS)


def _page(request: HttpRequest, agent: Agent, status: int = 200, **said: Any) -> HttpResponse:
    user = _user(request)
    deeds = _deeds(user, agent)
    items = registry.handover_items(agent) if deeds.retire else []
    waiting = waiting_of(user, agent)
    context = {
        **head_of(user, agent, "agent-life", waiting),
        "verbs": life_verbs.verbs_for(user, agent, [it.kind for it in waiting]),
        "opened": said.get("refused_verb") or request.GET.get("verb", ""),
        "state": selectors.state_words(agent),
        "record": evidence_words(selectors.evidence_of(agent)),
        "timeline": selectors.timeline_of(agent),
        "deeds": deeds,
        "blocking": [it for it in items if it.blocking],
        "others": [it for it in items if not it.blocking],
        "receivers": _receivers(user, agent, items),
        "contract": selectors.contract_of(agent) if deeds.attest else None,
        "own_operations": _own_operations(agent) if deeds.attest else [],
        "taken_away": request.POST.getlist("take_away"),
        "unseen_waiting": deeds.waiting if deeds.waiting not in waiting else None,
    }
    return page(request, "portal/life.html", f"Life of {agent.name}", status, **context, **said)


def _deeds(user: User, agent: Agent) -> Deeds:
    actor = user.as_actor()
    if agent.lifecycle == Agent.Lifecycle.RETIRED:
        return Deeds()
    active = agent.lifecycle == Agent.Lifecycle.ACTIVE
    waiting = selectors.pending_promotion(agent)
    may_promote = active and agent.on_probation and policies.may_promote_agent(actor, agent) is None
    may_demote = active and policies.may_demote_agent(actor, agent) is None
    return Deeds(
        promote=may_promote and waiting is None,
        waiting=waiting,
        demote=_lower(agent) if may_demote else [],
        attest=active and policies.may_attest_agent(actor, agent) is None,
        take_over=not agent.sponsor.is_active and sponsors.may_take_over(actor, agent) is None,
        retire=policies.may_retire_agent(actor, agent) is None,
    )


def _lower(agent: Agent) -> list[tuple[str, str]]:
    """Return how far an agent can be put back from where it stands."""
    if agent.autonomy == Agent.Autonomy.READ_ONLY:
        return []
    choices = [(str(value), str(label)) for value, label in LifecycleTerms.BreachThen.choices]
    return [it for it in choices if not (agent.on_probation and it[0] == LifecycleTerms.BreachThen.PROBATION)]


def _receivers(user: User, agent: Agent, items: list[HandoverItem]) -> list[Agent]:
    """Return who could get what is open: active agents, those of the same role first."""
    if not any(item.hand_over for item in items):
        return []
    found = selectors.visible_agents(user).filter(lifecycle=Agent.Lifecycle.ACTIVE).exclude(pk=agent.pk)
    ordered = found.select_related("role").order_by("name", "pk")
    same = list(ordered.filter(role=agent.role_id)[:MOST_RECEIVERS])
    return [*same, *ordered.exclude(role=agent.role_id)[: MOST_RECEIVERS - len(same)]]


def _own_operations(agent: Agent) -> list[dict[str, str]]:
    found = [(code, registry.find_operation(code)) for code in lifecycle.own_operations(agent)]
    return [{"code": code, "name": operation.name if operation else code} for code, operation in found]


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "")


def _actor(request: HttpRequest) -> Any:
    return _user(request).as_actor()


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
