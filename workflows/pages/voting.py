"""The decision on one approval, and what is said and done about it that decides nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from agents.models import User
from agents.services import lifecycle
from agents.services.stepping_up import step_up_of
from audit.services import refusals_recorded
from audit.vocabulary import Refusal, RefusalKind
from workflows.actions.models import Action
from workflows.approvals import services
from workflows.approvals.models import Approval, RejectCode, Vote
from workflows.approvals.selectors import others_who_may
from workflows.pages.access import STATUS_OF_KIND, for_people
from workflows.pages.confirming import KEPT, confirmed_for, keep_on_the_way
from workflows.pages.hands import is_typed, moment_of, put_off_until, to_type
from workflows.pages.inbox import detail, find
from workflows.pages.matter import not_done_after
from workflows.pages.risk import risk_of
from workflows.pages.waiting import next_for

# No verdict: what was typed is kept, and who it is confirmed first.
CONFIRM_FIRST = "confirm"


@require_POST
@for_people
def vote(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Decide. The service asks every question again; a refusal changes nothing and says why."""
    approval = find(request, approval_id)
    verdict = request.POST.get("verdict", "")
    if verdict == CONFIRM_FIRST:
        return _confirm_first(request, approval)
    typed = _typed(request)
    if wrong := _wrong_form(request, approval, verdict):
        is_typed_wrong = verdict == Vote.Verdict.APPROVE
        return detail(request, approval, status=422, refused=wrong, is_typed_wrong=is_typed_wrong, **typed)
    try:
        decided = services.cast_vote(
            actor=_user(request).as_actor(),
            approval_id=approval.pk,
            verdict=verdict,
            reason=typed["reason"],
            digest=request.POST.get("digest", ""),
            on_behalf_of=request.POST.get("for", "")[:80].replace("\x00", ""),
            step_up=step_up_of(_user(request), request.session),
            code=typed["code"],
            instead=typed["instead"],
        )
    except Refusal as refusal:
        approval.refresh_from_db()
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return detail(request, approval, status=status, refused=refusal.in_full(), **typed)
    request.session.pop(KEPT, None)
    return _decided(request, decided, verdict, _paused(request, decided, verdict))


@require_POST
@for_people
def say(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Say something about an approval, ask its agent, hand it on, take it or put it off. None of it decides."""
    approval, actor = find(request, approval_id), _user(request).as_actor()
    text = request.POST.get("text", "").strip()[:4000]
    deed = _DEEDS.get(request.POST.get("deed", ""), _comment)
    try:
        with refusals_recorded(actor=actor, subject=approval.as_ref(), **approval.event_refs()):
            done = deed(request, approval, text)
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return detail(request, approval, status=status, refused=refusal.in_full(), said=text)
    if request.htmx:  # type: ignore[attr-defined]
        approval = find(request, approval_id)
        response = detail(request, approval, done=done)
        response["HX-Trigger-After-Swap"] = json.dumps({"portal:moved": {"sentence": done}})
        return response
    messages.success(request, done)
    return redirect("inbox-approval", approval.pk)


def _comment(request: HttpRequest, approval: Approval, text: str) -> str:
    services.comment_on(actor=_user(request).as_actor(), approval_id=approval.pk, text=text)
    return _("Said. Whoever sees this request reads it.")


def _ask(request: HttpRequest, approval: Approval, text: str) -> str:
    services.ask_back(actor=_user(request).as_actor(), approval_id=approval.pk, question=text)
    return _("Asked. The answer appears here; it waits on meanwhile.")


def _hand(request: HttpRequest, approval: Approval, text: str) -> str:
    user = _user(request)
    chosen = [one for one in others_who_may(user, approval) if str(one.pk) in request.POST.getlist("to")]
    until = moment_of(request.POST.get("until", ""))
    services.reassign(
        actor=user.as_actor(), approval_id=approval.pk, people=chosen, reason=text[:1000], until=until
    )
    names = ", ".join(map(str, chosen))
    return _("Handed on: %(names)s is asked now, too. It stays in your list “Handed on”.") % {"names": names}


def _claim(request: HttpRequest, approval: Approval, text: str) -> str:
    over = request.POST.get("deed") == "take_over"
    services.claim(actor=_user(request).as_actor(), approval_id=approval.pk, over=over, reason=text[:500])
    return _(
        "You have it. For an hour nobody is reminded of it and it goes to nobody else; its deadline stays."
    )


def _give_back(request: HttpRequest, approval: Approval, text: str) -> str:
    services.give_back(actor=_user(request).as_actor(), approval_id=approval.pk)
    return _("Given back. Everybody who was asked is reminded again.")


def _snooze(request: HttpRequest, approval: Approval, text: str) -> str:
    until = put_off_until(request.POST)
    if until is None:
        message = _("It was not put off: choose for how long.")
        raise Refusal("snooze_invalid", message, kind=RefusalKind.INVALID)
    services.snooze(actor=_user(request).as_actor(), approval_id=approval.pk, until=until)
    return _(
        "Put off. It is in your list “Snoozed” and comes back by itself, an hour before its deadline at last."
    )


def _wake(request: HttpRequest, approval: Approval, text: str) -> str:
    services.snooze(actor=_user(request).as_actor(), approval_id=approval.pk, until=None)
    return _("It is in your list again.")


_DEEDS: dict[str, Callable[[HttpRequest, Approval, str], str]] = {
    "comment": _comment,
    "ask": _ask,
    "hand": _hand,
    "claim": _claim,
    "take_over": _claim,
    "give_back": _give_back,
    "snooze": _snooze,
    "wake": _wake,
}


def _typed(request: HttpRequest) -> dict[str, str]:
    """Return what was filled in, to be shown again where it was refused."""
    code = request.POST.get("code", "")
    return {
        "reason": request.POST.get("reason", ""),
        "whom": request.POST.get("for", ""),
        "code": code if code in RejectCode.values else "",
        "instead": request.POST.get("instead", "")[:1000],
        "typed": request.POST.get("typed", "")[:200],
    }


def _wrong_form(request: HttpRequest, approval: Approval, verdict: str) -> str:
    """Say what of the form is missing, or ''. What is grave is approved only by who types what it is."""
    if verdict not in Vote.Verdict.values:
        return _("Choose Approve or Reject.")
    if verdict != Vote.Verdict.APPROVE or approval.state != Approval.State.PENDING:
        return ""
    found = Action.objects.select_related("agent", "operation__system")
    is_action = approval.subject_kind == "actions.action"
    action = found.filter(pk=approval.subject_id).first() if is_action else None
    wanted = to_type(action, risk_of(action, approval))
    if is_typed(wanted, request.POST.get("typed", ""), action):
        return ""
    return _("Nothing was decided: this is of high risk. Type “%(wanted)s” to approve it.") % {"wanted": wanted}


def _paused(request: HttpRequest, approval: Approval, verdict: str) -> str:
    """Pause the agent with a rejection, if its reader wants that and may; say what came of it."""
    if verdict != Vote.Verdict.REJECT or not request.POST.get("pause") or approval.requester_kind != "agent":
        return ""
    action = Action.objects.select_related("agent__user").filter(pk=approval.subject_id).first()
    if action is None:
        return ""
    agent, actor = action.agent, _user(request).as_actor()
    try:
        with refusals_recorded(actor=actor, subject=agent.as_ref(), **agent.event_refs()):
            lifecycle.pause_agent(actor=actor, agent=agent, reason=request.POST.get("reason", ""))
    except Refusal as refusal:
        return " " + _("But the agent was not paused: %(why)s") % {"why": refusal.in_full()}
    return " " + _("%(agent)s is paused.") % {"agent": agent.name}


def _confirm_first(request: HttpRequest, approval: Approval) -> HttpResponse:
    keep_on_the_way(request, approval, _typed(request))
    link = confirmed_for(request, reverse("inbox-approval", args=[approval.pk])).link
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect(link)
    response = HttpResponse()
    response["HX-Redirect"] = link
    return response


def _decided(request: HttpRequest, approval: Approval, verdict: str, and_so: str) -> HttpResponse:
    word = _("Approved") if verdict == Vote.Verdict.APPROVE else _("Rejected")
    more = " " + _("It still needs another person.") if approval.state == Approval.State.PENDING else ""
    about = approval.subject_label.removesuffix(".")
    not_done = not_done_after(approval)
    sentence = f"{word}: {about}.{more}{f' {not_done}' if not_done else ''}{and_so}"
    if not request.htmx:  # type: ignore[attr-defined]
        (messages.warning if not_done else messages.success)(request, sentence)
        return redirect(next_for(_user(request)))
    response = detail(request, approval, done=sentence, done_tone="wait" if not_done else "good")
    told = {"portal:decided": {"approval": str(approval.pk), "sentence": sentence}}
    response["HX-Trigger-After-Swap"] = json.dumps(told)
    return response


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
