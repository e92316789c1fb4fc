"""Several requests that are alike, decided with one reason: each is shown, chosen, and voted on by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from agents.decision.money import format_minor
from agents.models import User
from agents.selectors import company_currency
from agents.services.stepping_up import step_up_of
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from workflows.actions.models import Action
from workflows.actions.selectors import shown_arguments
from workflows.approvals import services
from workflows.approvals.models import Approval, Vote
from workflows.approvals.selectors import alike_for, visible_to
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.confirming import confirmed_for
from workflows.pages.words import Fact, facts_of, without_verdict


@dataclass(frozen=True, slots=True)
class Row:
    """One request as it is shown: the whole of what its digest is about."""

    approval: Approval
    facts: list[Fact]
    who: str
    is_picked: bool


@dataclass(frozen=True, slots=True)
class Alike:
    """Requests for the same operation, held by the same rules."""

    title: str
    why: str
    rows: list[Row]
    is_sent: bool
    total: str


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one vote, in words."""

    label: str
    key: str
    words: str
    is_done: bool = False


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def together(request: HttpRequest) -> HttpResponse:
    """Show what is alike; vote on what was chosen of one list, and say what became of each."""
    if request.method != "POST":
        return _page(request)
    picked = [one.partition(":") for one in request.POST.getlist("pick")[: services.MOST_TOGETHER + 1]]
    choices = [services.Choice(str(key), digest) for text, _, digest in picked if (key := _uuid(text))]
    verdict, reason = request.POST.get("verdict", ""), request.POST.get("reason", "")
    if verdict not in Vote.Verdict.values or not choices:
        return _page(
            request, 422, refused="Choose at least one request, then Approve or Reject.", reason=reason
        )
    try:
        actor = _user(request).as_actor()
        with refusals_recorded(actor=actor, subject=services.SEVERAL):
            outcomes = services.cast_together(
                actor=actor,
                choices=choices,
                verdict=verdict,
                reason=reason,
                step_up=step_up_of(_user(request), request.session),
            )
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return _page(request, status, refused=refusal.in_full(), reason=reason)
    return _page(request, **_told(_user(request), outcomes))


def _told(user: User, outcomes: list[services.Outcome]) -> dict[str, Any]:
    keys = [outcome.approval_id for outcome in outcomes]
    seen = visible_to(user).filter(pk__in=keys).values_list("pk", "subject_label")
    labels = {str(key): label for key, label in seen}
    voted = [outcome for outcome in outcomes if outcome.approval]
    return {
        "done": f"{len(voted)} of {len(outcomes)} voted on." if voted else "",
        "left_out": [_told_of(one, labels) for one in outcomes if one.refusal],
        "voted": [_told_of(one, labels) for one in outcomes if one.approval],
    }


def _told_of(outcome: services.Outcome, labels: dict[str, str]) -> Told:
    label = labels.get(outcome.approval_id, "A request")
    if outcome.refusal:
        return Told(label, outcome.approval_id, outcome.refusal.in_full())
    words = str(outcome.approval.get_state_display()) if outcome.approval else ""
    return Told(label, outcome.approval_id, words, is_done=True)


def _page(request: HttpRequest, status: int = 200, **said: Any) -> HttpResponse:
    picked = set(request.POST.getlist("pick")) if status >= 400 else set()
    only = {key for text in request.GET.getlist("only")[: services.MOST_TOGETHER] if (key := _uuid(text))}
    waiting = alike_for(_user(request), only or None)
    lists = [_alike(some, picked, is_chosen=bool(only)) for some in waiting]
    if any(row.approval.step_up for some in lists for row in some.rows):
        said["confirmed"] = confirmed_for(request, reverse("inbox-together"))
    # All of each is shown here: who decides on this page had it open.
    shown = [row.approval for alike in lists for row in alike.rows]
    services.note_opening(person=_user(request), approvals=shown)
    said["missing"] = len(only) - sum(len(alike.rows) for alike in lists) if only else 0
    return page(request, "portal/together.html", "Several alike", status, lists=lists, only=only, **said)


def _alike(approvals: list[Approval], picked: set[str], *, is_chosen: bool = False) -> Alike:
    keys = [approval.pk for approval in approvals[: services.MOST_TOGETHER]]
    found = Action.objects.filter(approval__in=keys).select_related("agent", "operation__system", "revision")
    actions = {action.approval_id: action for action in found}
    there = [approval for approval in approvals if approval.pk in actions]
    rows = [_row(approval, actions[approval.pk], picked, is_chosen=is_chosen) for approval in there]
    first = actions[rows[0].approval.pk]
    return Alike(
        title=first.operation.name if first.operation else first.operation_code,
        why=without_verdict(approvals[0].sentence).split(" This one is ")[0],
        rows=rows,
        is_sent=any(row.is_picked for row in rows),
        total=_total([actions[row.approval.pk].amount_company_minor for row in rows]),
    )


def _total(amounts: list[int | None]) -> str:
    """Return what all of them come to in the company's currency; '' where one of them has no amount."""
    known = [amount for amount in amounts if amount is not None]
    return format_minor(sum(known), company_currency()) if known and len(known) == len(amounts) else ""


def _row(approval: Approval, action: Action, picked: set[str], *, is_chosen: bool) -> Row:
    return Row(
        approval=approval,
        facts=facts_of(shown_arguments(action), action.revision.input_schema if action.revision else None),
        who=action.agent.name,
        is_picked=is_chosen or f"{approval.pk}:{approval.digest}" in picked,
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
