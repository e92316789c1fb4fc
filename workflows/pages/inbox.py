"""The inbox: what waits for this person, soonest deadline first, and the decision on an approval itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents.models import User
from agents.services.stepping_up import step_up_of
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from workflows.approvals.models import Approval, Vote
from workflows.approvals.selectors import others_who_may, pending_for, visible_to
from workflows.approvals.services import ask_back, cast_vote, comment_on, note_opening, reassign
from workflows.pages.access import STATUS_OF_KIND, for_people, page, part
from workflows.pages.confirming import KEPT, confirmed, confirmed_for, keep_on_the_way, kept_on_the_way
from workflows.pages.live import inbox_mark
from workflows.pages.question import not_done_after, question_for
from workflows.pages.waiting import next_for, rows_of

MOST_ROWS = 200
# No verdict: what was typed is kept, and who it is confirmed first.
CONFIRM_FIRST = "confirm"


@dataclass(frozen=True, slots=True)
class Shelf:
    """One list of the inbox: its word, and what it says when it is empty."""

    key: str
    word: str
    empty: str
    hint: str


SHELVES = (
    Shelf(
        "mine",
        "For me",
        "Nothing waits for you",
        "What agents may not decide alone, and work for you, appears here by itself.",
    ),
    Shelf(
        "others",
        "For others",
        "Nothing else waits",
        "What you may see, but another person decides or has taken, is here.",
    ),
    Shelf("decided", "Decided", "Nothing was decided lately", "Decisions of the last 30 days are here."),
)


@never_cache
@require_safe
@for_people
def inbox(request: HttpRequest, approval_id: UUID | None = None) -> HttpResponse:
    """Show the list, and one approval beside it when the address names one."""
    opened = _find(request, approval_id) if approval_id else None
    question = question_for(opened, _user(request), confirmed(request, opened)) if opened else None
    if opened:
        note_opening(person=_user(request), approvals=[opened])
    shown: dict[str, Any] = {
        "question": question,
        "opened_key": str(approval_id or ""),
        "subtitle": opened.subject_label if opened else "",
        **kept_on_the_way(request, opened),
    }
    return page(request, "portal/inbox.html", "Inbox", **shown, **listed(request))


@never_cache
@require_safe
@for_people
def inbox_list(request: HttpRequest) -> HttpResponse:
    """Return the rows alone, for a page that refreshes its list."""
    return part(request, "portal/inbox_rows.html", **listed(request))


@never_cache
@require_safe
@for_people
def inbox_detail(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Return one approval alone, for a page that keeps its list."""
    approval = _find(request, approval_id)
    note_opening(person=_user(request), approvals=[approval])
    return _detail(request, approval, **kept_on_the_way(request, approval))


@require_POST
@for_people
def vote(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Decide. The service asks every question again; a refusal changes nothing and says why."""
    approval = _find(request, approval_id)
    verdict = request.POST.get("verdict", "")
    if verdict == CONFIRM_FIRST:
        return _confirm_first(request, approval)
    if verdict not in Vote.Verdict.values:
        return _detail(request, approval, status=422, refused="Choose Approve or Reject.")
    reason = request.POST.get("reason", "")
    try:
        decided = cast_vote(
            actor=_user(request).as_actor(),
            approval_id=approval.pk,
            verdict=verdict,
            reason=reason,
            digest=request.POST.get("digest", ""),
            on_behalf_of=request.POST.get("for", "")[:80].replace("\x00", ""),
            step_up=step_up_of(_user(request), request.session),
        )
    except Refusal as refusal:
        approval.refresh_from_db()
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        typed = {"reason": reason, "whom": request.POST.get("for", "")}
        return _detail(request, approval, status=status, refused=refusal.in_full(), **typed)
    request.session.pop(KEPT, None)
    return _decided(request, decided, verdict)


@require_POST
@for_people
def say(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Say something about an approval, ask its agent back, or hand it on. None of it decides anything."""
    approval, actor = _find(request, approval_id), _user(request).as_actor()
    text = request.POST.get("text", "").strip()[:4000]
    try:
        with refusals_recorded(actor=actor, subject=approval.as_ref(), **approval.event_refs()):
            if request.POST.get("deed") == "ask":
                ask_back(actor=actor, approval_id=approval.pk, question=text)
                done = "Asked. The answer appears here; it waits on meanwhile."
            elif request.POST.get("deed") == "hand":
                named = others_who_may(_user(request), approval)
                chosen = [one for one in named if str(one.pk) in request.POST.getlist("to")]
                reassign(actor=actor, approval_id=approval.pk, people=chosen, reason=text[:1000])
                done = f"Handed on: {', '.join(map(str, chosen))} is asked now, too."
            else:
                comment_on(actor=actor, approval_id=approval.pk, text=text)
                done = "Said. Whoever sees this request reads it."
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return _detail(request, approval, status=status, refused=refusal.in_full(), said=text)
    if request.htmx:  # type: ignore[attr-defined]
        return _detail(request, approval, done=done)
    messages.success(request, done)
    return redirect("inbox-approval", approval.pk)


def _confirm_first(request: HttpRequest, approval: Approval) -> HttpResponse:
    keep_on_the_way(request, approval)
    link = confirmed_for(request, reverse("inbox-approval", args=[approval.pk])).link
    if not request.htmx:  # type: ignore[attr-defined]
        return redirect(link)
    response = HttpResponse()
    response["HX-Redirect"] = link
    return response


def _decided(request: HttpRequest, approval: Approval, verdict: str) -> HttpResponse:
    word = "Approved" if verdict == Vote.Verdict.APPROVE else "Rejected"
    more = " It still needs another person." if approval.state == Approval.State.PENDING else ""
    about = approval.subject_label.removesuffix(".")
    sentence = f"{word}: {about}.{more}{not_done_after(approval)}"
    if not request.htmx:  # type: ignore[attr-defined]
        messages.success(request, sentence)
        return redirect(next_for(_user(request)))
    response = _detail(request, approval, done=sentence)
    told = {"portal:decided": {"approval": str(approval.pk), "sentence": sentence}}
    response["HX-Trigger-After-Swap"] = json.dumps(told)
    return response


def _detail(request: HttpRequest, approval: Approval, status: int = 200, **said: Any) -> HttpResponse:
    question = question_for(approval, _user(request), confirmed(request, approval))
    if request.htmx:  # type: ignore[attr-defined]
        return part(request, "portal/inbox_detail.html", status=status, question=question, **said)
    return page(
        request,
        "portal/inbox.html",
        "Inbox",
        status=status,
        question=question,
        opened_key=str(approval.pk),
        **listed(request),
        **said,
    )


def listed(request: HttpRequest) -> dict[str, Any]:
    """Return what the list of the inbox shows, whatever is open beside it."""
    key = request.GET.get("show", "mine")
    shelf = next((shelf for shelf in SHELVES if shelf.key == key), SHELVES[0])
    user = _user(request)
    rows = rows_of(user, shelf.key, MOST_ROWS + 1)
    return {
        "rows": rows[:MOST_ROWS],
        "more": len(rows) > MOST_ROWS,
        "shelf": shelf,
        "shelves": SHELVES,
        "mark": inbox_mark(user),
    }


def _find(request: HttpRequest, approval_id: UUID) -> Approval:
    user = _user(request)
    for shown in (visible_to(user), pending_for(user)):
        if approval := shown.filter(pk=approval_id).first():
            return approval
    raise Http404


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
