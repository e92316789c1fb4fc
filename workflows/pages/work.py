"""Work for people in the inbox: what is asked, a typed form for the answer, taking it and giving it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents.models import User
from audit.services import refusals_recorded
from audit.vocabulary import Refusal, RefusalKind
from workflows.documents.models import Document
from workflows.documents.selectors import visible_to as visible_documents
from workflows.pages.access import STATUS_OF_KIND, for_people, page, part
from workflows.pages.asked import Asked, questions_of
from workflows.pages.clocks import ClockLine, clock_lines
from workflows.pages.hands import SNOOZES, put_off_until
from workflows.pages.inbox import listed
from workflows.pages.lines import PROCESSES, Line, history_of
from workflows.pages.schema_form import SchemaForm
from workflows.pages.shelves import FOR_PEOPLE
from workflows.pages.step_words import named, names_of
from workflows.pages.waiting import OF_AGENTS, next_for, page_of
from workflows.pages.words import Fact, Tag, facts_of, pretty, state_tag
from workflows.pages.work_forms import AskForm, PassOnForm, offered_forms
from workflows.runs.models import Run
from workflows.runs.selectors import visible_to as visible_runs
from workflows.tasks import services
from workflows.tasks.models import Task
from workflows.tasks.selectors import may_do, snoozes_of, visible_to, waiting_for

PREFIX = "answer"


@dataclass(frozen=True, slots=True)
class Work:
    """Everything the detail of one task shows."""

    task: Task
    tags: list[Tag]
    facts: list[Fact]
    answer: list[Fact]
    raw: str
    run: Run | None
    documents: list[Document]
    history: list[Line]
    form: SchemaForm | None
    mine: bool
    why_not: str
    groups: str
    clocks: list[ClockLine]
    others: dict[str, Any]
    questions: list[Asked]
    passed_on: list[dict[str, Any]]


@never_cache
@require_safe
@for_people
def task(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Show one task beside the list; one that is decided on another page leads there."""
    found = _find(request, task_id)
    if found.subject_kind in OF_AGENTS and found.state in Task.WAITING:
        return redirect(page_of(found))
    return _page(request, found)


@never_cache
@require_safe
@for_people
def task_detail(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Return one task alone, for a page that keeps its list."""
    found, user = _find(request, task_id), _user(request)
    return part(request, "portal/work_detail.html", work=work_for(found, user), **_put_off(found, user))


@require_POST
@for_people
def task_do(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Take a task, give it back or complete it. The service asks every question again."""
    found, user = _find(request, task_id), _user(request)
    name = request.POST.get("deed", "")
    deed = _DEEDS.get(name)
    if deed is None:
        return _answer(request, found, status=422, refused="Choose what to do with it.")
    form = _form_of(name, found, user, request.POST)
    if form is None and deed in (_pass_on, _ask):
        return _answer(request, found, status=422, refused="This work stays with whom it was put to.")
    if form is not None and not form.is_valid():
        return _answer(
            request, found, form, status=422, refused="Correct what is marked below; it is still yours."
        )
    try:
        with refusals_recorded(actor=user.as_actor(), subject=found.as_ref(), **found.event_refs()):
            return deed(request, found, form)
    except Refusal as refusal:
        if isinstance(form, SchemaForm):
            for error in refusal.detail.get("errors", ()):
                form.add_error_at(error["pointer"], error["message"])
        fresh = _find(request, task_id)
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return _answer(request, fresh, form, status=status, refused=refusal.in_full())


def _claim(request: HttpRequest, found: Task, form: Any) -> HttpResponse:
    services.claim_task(actor=_user(request).as_actor(), task_id=found.pk)
    return _stay(request, found, f"You have it: {found.title}. Nobody else is offered it.")


def _release(request: HttpRequest, found: Task, form: Any) -> HttpResponse:
    actor, reason = _user(request).as_actor(), request.POST.get("reason", "")
    services.release_task(actor=actor, task_id=found.pk, epoch=found.epoch, reason=reason)
    return _stay(request, found, f"Given back: {found.title}.")


def _complete(request: HttpRequest, found: Task, form: SchemaForm | None) -> HttpResponse:
    user, reason = _user(request), request.POST.get("reason", "")
    _require_unchanged(found, request.POST.get("epoch", ""))
    with transaction.atomic():
        held = _held(found, user)
        answer = form.answer if form is not None else None
        services.complete_task(
            actor=user.as_actor(), task_id=found.pk, epoch=held.epoch, answer=answer, reason=reason
        )
    sentence = f"Done: {found.title}."
    if not request.htmx:  # type: ignore[attr-defined]
        messages.success(request, sentence)
        return redirect(next_for(user))
    response = _answer(request, _find(request, found.pk), done=sentence)
    told = {"portal:decided": {"approval": str(found.pk), "sentence": sentence}}
    response["HX-Trigger-After-Swap"] = json.dumps(told)
    return response


def _held(found: Task, user: User) -> Task:
    """Return the task as this person has it; what nobody has is taken."""
    if found.claimed_by_id == user.pk:
        return found
    return services.claim_task(actor=user.as_actor(), task_id=found.pk)


def _pass_on(request: HttpRequest, found: Task, form: PassOnForm) -> HttpResponse:
    user, given = _user(request), form.cleaned_data
    _require_unchanged(found, request.POST.get("epoch", ""))
    with transaction.atomic():
        services.hand_off_task(
            actor=user.as_actor(),
            task_id=found.pk,
            epoch=_held(found, user).epoch,
            to=form.recipient,
            reason=given["reason"],
            note=given["note"],
        )
    messages.success(request, f"Passed on: {found.title}.")
    return redirect(next_for(user))


def _ask(request: HttpRequest, found: Task, form: AskForm) -> HttpResponse:
    user, given = _user(request), form.cleaned_data
    _require_unchanged(found, request.POST.get("epoch", ""))
    with transaction.atomic():
        services.ask_question(
            actor=user.as_actor(),
            task_id=found.pk,
            epoch=_held(found, user).epoch,
            question=given["question"],
            to=form.recipient,
            within_seconds=given["within"],
        )
    return _stay(request, found, "Asked. The answer appears here; you have the work meanwhile.")


def _snooze(request: HttpRequest, found: Task, form: Any) -> HttpResponse:
    until = put_off_until(request.POST)
    if until is None:
        message = "It was not put off: choose for how long."
        raise Refusal("snooze_invalid", message, kind=RefusalKind.INVALID)
    services.snooze_task(actor=_user(request).as_actor(), task_id=found.pk, until=until)
    return _stay(request, found, "Put off. It is in your list “Snoozed” and comes back by itself.")


def _wake(request: HttpRequest, found: Task, form: Any) -> HttpResponse:
    services.end_snooze(actor=_user(request).as_actor(), task_id=found.pk)
    return _stay(request, found, "It is in your list again.")


def _put_off(found: Task, user: User) -> dict[str, Any]:
    off = snoozes_of(user).filter(task=found).values_list("until", flat=True).first()
    return {"snoozes": SNOOZES, "snoozed_until": off}


_DEEDS: dict[str, Callable[..., HttpResponse]] = {
    "snooze": _snooze,
    "wake": _wake,
    "claim": _claim,
    "release": _release,
    "complete": _complete,
    "pass_on": _pass_on,
    "ask": _ask,
}


def _form_of(name: str, found: Task, user: User, data: Any) -> Any:
    """Return what was filled in for a deed; None when nothing is, or when it is not offered."""
    return _form(found, user, data) if name == "complete" else offered_forms(found, user, data).get(name)


def _require_unchanged(found: Task, epoch: str) -> None:
    """Refuse an answer to what has passed through other hands since the form was shown."""
    if epoch != str(found.epoch):
        raise Refusal(
            "task_stale",
            f"The task {found.title!r} was not changed: somebody has had it since this page was opened.",
            kind=RefusalKind.CONFLICT,
            next_step="Look at it again; what you typed is still here.",
        )


def _stay(request: HttpRequest, found: Task, sentence: str) -> HttpResponse:
    if not request.htmx:  # type: ignore[attr-defined]
        messages.success(request, sentence)
        return redirect("inbox-task", found.pk)
    response = _answer(request, _find(request, found.pk), done=sentence)
    response["HX-Trigger-After-Swap"] = json.dumps({"portal:moved": {"sentence": sentence}})
    return response


def _answer(
    request: HttpRequest, found: Task, form: Any = None, status: int = 200, **said: Any
) -> HttpResponse:
    said = {"reason": request.POST.get("reason", "") if status >= 400 else "", **said}
    if request.htmx:  # type: ignore[attr-defined]
        work = work_for(found, _user(request), form)
        shown = {"work": work, **_put_off(found, _user(request)), **said}
        return part(request, "portal/work_detail.html", status=status, **shown)
    return _page(request, found, form, status, **said)


def _page(request: HttpRequest, found: Task, form: Any = None, status: int = 200, **said: Any) -> HttpResponse:
    work = work_for(found, _user(request), form)
    shown = {
        "work": work,
        **_put_off(found, _user(request)),
        "opened_key": str(found.pk),
        "subtitle": found.title,
        **said,
    }
    return page(request, "portal/inbox.html", "Inbox", status, **shown, **listed(request))


def _find(request: HttpRequest, task_id: UUID) -> Task:
    user = _user(request)
    for shown in (visible_to(user), waiting_for(user)):
        wanted = shown.filter(pk=task_id, kind__in=FOR_PEOPLE)
        if found := wanted.select_related("claimed_by").prefetch_related("candidate_groups").first():
            return found
    raise Http404


def work_for(found: Task, user: User, form: Any = None) -> Work:
    """Return one task as this person sees it; ``why_not`` says in words why they may not do it."""
    run = _run_of(found, user)
    documents = list(Document.objects.filter(pk__in=run.run_documents.values("document"))) if run else []
    names = names_of(documents)
    readable = visible_documents(user).filter(pk__in=[it.pk for it in documents])
    why_not = _why_not(found, user)
    given = form if isinstance(form, SchemaForm) else None
    return Work(
        task=found,
        tags=_tags(found),
        facts=facts_of(named(found.input, names)),
        answer=facts_of(named(found.answer or {}, names), found.answer_schema),
        raw=pretty(found.input) if found.input else "",
        run=run,
        documents=list(readable),
        history=history_of("tasks.task", found.pk, user),
        form=None if why_not else given or _form(found, user),
        others=_others(found, user, form) if not why_not else {},
        questions=questions_of(found),
        passed_on=[
            {**passing, "by": PROCESSES.get(passing["by"], passing["by"])} for passing in found.passed_on
        ],
        mine=found.state == Task.State.CLAIMED and found.claimed_by_id == user.pk,
        why_not=why_not,
        groups=" and ".join(group.name for group in found.candidate_groups.all()),
        clocks=clock_lines(found),
    )


def _others(found: Task, user: User, form: Any) -> dict[str, Any]:
    """Return the forms beside the answer, the one that was sent as it was filled in."""
    sent = {"pass_on": PassOnForm, "ask": AskForm}
    offered = offered_forms(found, user)
    return {name: form if isinstance(form, sent[name]) else fresh for name, fresh in offered.items()}


def _form(found: Task, user: User, data: Any = None) -> SchemaForm | None:
    """Return the form of the answer; None when no answer is asked."""
    if not found.answer_schema.get("properties"):
        return None
    run = _run_of(found, user)
    documents = [(str(it.document_id), it.document.name) for it in _linked(run)] if run else []
    return SchemaForm(found.answer_schema, data, prefix=PREFIX, documents=documents)


def _run_of(found: Task, user: User) -> Run | None:
    run_id = found.references.get("run_id")
    return visible_runs(user, kept=True).filter(pk=run_id).first() if run_id else None


def _linked(run: Run) -> Any:
    return run.run_documents.select_related("document")


def _tags(found: Task) -> list[Tag]:
    tone = {Task.Kind.EXCEPTION: "bad", Task.Kind.INCIDENT: "bad"}.get(Task.Kind(found.kind), "info")
    tags = [Tag(found.get_kind_display(), "assignment", tone)]
    if found.state not in Task.WAITING:
        tags.append(state_tag(found.state, found.get_state_display()))
    elif found.claimed_by:
        tags.append(Tag(f"{found.claimed_by} has it", "person"))
    return tags


def _why_not(found: Task, user: User) -> str:
    if found.state not in Task.WAITING:
        who = f" by {found.claimed_by}" if found.claimed_by and found.state == Task.State.DONE else ""
        return f"Already {found.get_state_display().lower()}{who}. There is nothing left to do here."
    if found.claimed_by_id and found.claimed_by_id != user.pk:
        return f"{found.claimed_by} has it. Ask them to give it back if you should do it."
    if not may_do(user, found):
        return "Only those it is offered to may do it."
    return ""


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
