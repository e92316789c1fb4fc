"""Appeals: what an agent contests and the answer to it, and the rules that are contested again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents import policies
from agents.models import ChangeRequest, Rule, User
from agents.registry import find_operation
from agents.selectors import company_currency, visible_rules
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from workflows.actions.selectors import visible_to as visible_actions
from workflows.appeals import services
from workflows.appeals.choices import ANSWERS, Against, State
from workflows.appeals.models import Appeal, Proposal
from workflows.appeals.policies import Cluster
from workflows.appeals.selectors import (
    clusters_for,
    limit_of,
    loosening_of,
    rule_of,
    visible_proposals,
    visible_to,
)
from workflows.pages.access import STATUS_OF_KIND, admin_page, for_people, page
from workflows.pages.waiting import next_for
from workflows.pages.words import state_tag
from workflows.tasks.selectors import may_do

SAID = {
    State.UPHELD: "The rule is right: the agent leaves it",
    State.ASK_AGAIN: "The agent may ask again: it is decided anew",
    State.CHANGE_RULE: "The rule is to be changed: you propose how on its page",
}
MOST_CASES = 20


class AnswerForm(forms.Form):
    """One of three answers, and why."""

    decision = forms.ChoiceField(
        label="What do you say?",
        choices=[(state.value, SAID[state]) for state in ANSWERS],
        widget=forms.RadioSelect,
        help_text="Whatever you answer, this action stays denied.",
    )
    reason = forms.CharField(
        label="Why",
        min_length=policies.REASON_MIN_LENGTH,
        max_length=policies.REASON_MAX_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The agent reads it, and it goes into the ledger under your name.",
    )


@dataclass(frozen=True, slots=True)
class GroundLine:
    """What denied it: its name, what was compared, and where it is looked at or tried with another value."""

    kind: str
    name: str
    shape: str
    shown: str
    link: str
    trial: str


@dataclass(frozen=True, slots=True)
class ContestedLine:
    """One cluster: what is contested by whom how often, and what the smallest change would be."""

    kind: str
    name: str
    operation: str
    shape: str
    sentence: str
    cases: list[Appeal]
    count: int
    upheld: int
    agents: str
    days: int
    amounts: str
    link: str
    trial: str
    suggestion: str
    value: str
    unit: str
    proposal: Proposal | None
    taken_up: str
    may_take_up: bool


@never_cache
@require_safe
@for_people
def appeal(request: HttpRequest, appeal_id: UUID) -> HttpResponse:
    """Show what an agent contests, what denied it, and the form of the answer."""
    return _appeal_page(request, _find(request, appeal_id), AnswerForm())


@require_POST
@for_people
def answer(request: HttpRequest, appeal_id: UUID) -> HttpResponse:
    """Answer. The service asks every question again; a refusal changes nothing and says why."""
    found, form = _find(request, appeal_id), AnswerForm(request.POST)
    if not form.is_valid():
        return _appeal_page(request, found, form, 422, refused="Correct what is marked below.")
    actor = _user(request).as_actor()
    try:
        with refusals_recorded(actor=actor, subject=found.as_ref()):
            done = services.answer_appeal(actor=actor, appeal_id=found.pk, **form.cleaned_data)
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return _appeal_page(request, _find(request, appeal_id), form, status, refused=refusal.in_full())
    messages.success(request, f"Answered: {done.action.label}. {done.get_state_display()}.")
    return redirect(_then(request, done))


def _then(request: HttpRequest, done: Appeal) -> str:
    """Return where a person goes on: to the rule where that is what they want to change."""
    if done.state == State.CHANGE_RULE:
        line = next((one for one in _grounds(request, done) if one.link), None)
        if line:
            messages.info(request, "Propose the change here. What loosens waits for a second person.")
            return line.link
    return next_for(_user(request))


def _appeal_page(
    request: HttpRequest, found: Appeal, form: AnswerForm, status: int = 200, **said: Any
) -> HttpResponse:
    user = _user(request)
    shown = {
        "appeal": found,
        "state": state_tag(found.state, found.get_state_display()),
        "grounds": _grounds(request, found),
        "may_see_action": visible_actions(user).filter(pk=found.action_id).exists(),
        "form": form if _may_answer(user, found) else None,
        "may_see_contested": may_see_contested(request),
        **said,
    }
    return page(request, "portal/appeal.html", "Appeal", status, **shown)


def _grounds(request: HttpRequest, found: Appeal) -> list[GroundLine]:
    user = _user(request)
    values = {
        cluster.ground: loosened.value
        for cluster in clusters_for(user)
        if any(case.appeal_id == str(found.pk) for case in cluster.cases)
        and (loosened := loosening_of(cluster))
    }
    by_id = {ground.subject_id: value for ground, value in values.items()}
    return [
        GroundLine(
            kind=Against(one["kind"]).label,
            name=one["name"],
            shape=one["shape"],
            shown=one["shown"],
            link=_page_of(user, one["kind"], one["id"]),
            trial=_trial(user, one["kind"], one["id"], by_id.get(one["id"], "")),
        )
        for one in found.grounds
    ]


def _may_answer(user: User, found: Appeal) -> bool:
    return found.is_open and found.task is not None and may_do(user, found.task)


@never_cache
@require_safe
@for_people
def contested(request: HttpRequest) -> HttpResponse:
    """List what agents contest, most often first, with the smallest change that several of them ask for."""
    return _contested_page(request)


@require_POST
@for_people
def take_up(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Propose what several appeals ask for, in one's own name. What loosens waits for a second person."""
    return _do(request, proposal_id, _take_up)


@require_POST
@for_people
def dismiss(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """Put a proposal aside."""
    return _do(request, proposal_id, _dismiss)


def _take_up(request: HttpRequest, proposal: Proposal) -> str:
    value = request.POST.get("value", "")[:200].replace("\x00", "")
    _, outcome = services.take_up_proposal(
        actor=_user(request).as_actor(),
        proposal_id=proposal.pk,
        reason=request.POST.get("reason", ""),
        value="" if value.strip() == str(proposal.changes.get("value", "")) else value,
    )
    waits = "It waits for a second person." if outcome.change_request else "It is in force."
    return f"Proposed for {proposal.subject_name}. {waits}"


def _dismiss(request: HttpRequest, proposal: Proposal) -> str:
    actor, reason = _user(request).as_actor(), request.POST.get("reason", "")
    services.dismiss_proposal(actor=actor, proposal_id=proposal.pk, reason=reason)
    return f"Put aside: {proposal.subject_name}."


def _do(request: HttpRequest, proposal_id: UUID, deed: Any) -> HttpResponse:
    user = _user(request)
    proposal = get_object_or_404(visible_proposals(user), pk=proposal_id)
    try:
        with refusals_recorded(actor=user.as_actor(), subject=proposal.as_ref()):
            done = deed(request, proposal)
    except Refusal as refusal:
        said = {
            "refused": refusal.in_full(),
            "refused_at": proposal.pk,
            "reason": request.POST.get("reason", ""),
        }
        return _contested_page(request, STATUS_OF_KIND.get(refusal.kind, 403), **said)
    messages.success(request, done)
    return redirect("contested")


def _contested_page(request: HttpRequest, status: int = 200, **said: Any) -> HttpResponse:
    if not may_see_contested(request):
        raise Http404
    user = _user(request)
    found = clusters_for(user)
    keys = {case.appeal_id for cluster in found for case in cluster.cases[-MOST_CASES:]}
    appeals = {str(one.pk): one for one in visible_to(user).filter(pk__in=keys)}
    proposals = {
        (one.kind, one.subject_id, one.operation_code, one.shape): one
        for one in visible_proposals(user).filter(state=Proposal.State.OPEN)
    }
    decided = visible_proposals(user).exclude(state=Proposal.State.OPEN).select_related("change_request")
    decided = decided[:MOST_CASES]
    waiting = {one.subject_id: one.change_request for one in decided if _waits(one.change_request)}
    lines = [_line(user, cluster, appeals, proposals, waiting) for cluster in found]
    return page(
        request, "portal/contested.html", "Contested rules", status, lines=lines, decided=decided, **said
    )


def _waits(change: ChangeRequest | None) -> bool:
    return change is not None and change.state == ChangeRequest.State.PENDING


def _line(
    user: User,
    cluster: Cluster,
    appeals: dict[str, Appeal],
    proposals: dict[Any, Proposal],
    waiting: dict[str, ChangeRequest | None],
) -> ContestedLine:
    ground, loosened = cluster.ground, loosening_of(cluster)
    shown = list(dict.fromkeys(case.shown for case in cluster.cases if case.shown))
    cases = [appeals[case.appeal_id] for case in cluster.cases[-MOST_CASES:] if case.appeal_id in appeals]
    proposal = proposals.get((ground.kind, ground.subject_id, ground.operation, ground.shape))
    rule = rule_of(ground.subject_id) if ground.kind == Against.RULE else None
    return ContestedLine(
        kind=Against(ground.kind).label,
        name=_name(ground.kind, ground.subject_id, rule),
        operation=operation.name if (operation := find_operation(ground.operation)) else ground.operation,
        shape=ground.shape,
        sentence=rule.sentence if rule else "",
        cases=cases[::-1],
        count=len(cluster.cases),
        upheld=len(cluster.cases) - len(cluster.standing),
        agents=", ".join(cluster.agents),
        days=len(cluster.days),
        amounts=", ".join(shown[:5]) + (" and others" if len(shown) > 5 else ""),
        link=_page_of(user, ground.kind, ground.subject_id),
        trial=_trial(user, ground.kind, ground.subject_id, loosened.value if loosened else ""),
        suggestion=loosened.words if loosened else "",
        value=str(proposal.changes.get("value", "")) if proposal and "verdict" not in proposal.changes else "",
        unit=company_currency() if rule and rule.field == "amount" else "",
        proposal=proposal,
        taken_up=admin_page(change) if (change := waiting.get(ground.subject_id)) else "",
        may_take_up=proposal is not None
        and policies.may_publish_rule(user.as_actor(), rule.policy if rule else None) is None,
    )


def _name(kind: str, key: str, rule: Rule | None) -> str:
    if rule is not None:
        return rule.name
    limit = limit_of(key) if kind == Against.LIMIT else None
    return limit.name if limit else "A missing grant"


def _page_of(user: User, kind: str, key: str) -> str:
    if kind == Against.RULE:
        rule = visible_rules(user).filter(pk=key).first()
        return admin_page(rule) if rule else ""
    limit = limit_of(key) if kind == Against.LIMIT and user.has_perm("agents.view_measure") else None
    return admin_page(limit) if limit else ""


def _trial(user: User, kind: str, key: str, value: str) -> str:
    """Return where the rule is tried on what is on record, with the value it would have."""
    if kind != Against.RULE or not user.has_perm("backtests.view_backtest"):
        return ""
    if not visible_rules(user).filter(pk=key).exists():
        return ""
    address = reverse("rule-backtest", args=[key])
    return f"{address}?{urlencode({'value': value})}" if value else address


def may_see_contested(request: HttpRequest) -> bool:
    """Say whether somebody has to do with contested rules at all."""
    user = request.user
    return bool(user.is_authenticated and user.has_perm("appeals.view_appeal"))


def _find(request: HttpRequest, appeal_id: UUID) -> Appeal:
    return get_object_or_404(visible_to(_user(request)), pk=appeal_id)


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
