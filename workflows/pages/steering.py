"""The page of one verb: what it asks, what it would change as things stand, why; then exactly that is done."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from agents.models import User
from audit.pages.choosing import found_in
from audit.vocabulary import Refusal, RefusalKind
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.verbs import RUN_PAGES, STEP_PAGES, VerbPage
from workflows.pages.words import Tag
from workflows.runs import services
from workflows.runs.models import Run, Step
from workflows.runs.selectors import visible_to

# How a change looks in the list; a kind that is not listed is plain news.
LOOKS = {
    "ends": ("cancel", "bad"),
    "loses": ("person_off", "bad"),
    "taken_back": ("undo", "wait"),
    "undoes": ("undo", "wait"),
    "goes_on": ("play_circle", "info"),
    "begins": ("play_circle", "good"),
    "stays": ("push_pin", ""),
    "answers": ("edit_note", "info"),
    "waits": ("hourglass_top", "wait"),
    "becomes": ("swap_horiz", "info"),
}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def steer_run(request: HttpRequest, run_id: UUID, verb: str) -> HttpResponse:
    """Show and do one verb of a run."""
    return _Page(request, _find(request, run_id), None, RUN_PAGES[verb]).answer()


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def steer_step(request: HttpRequest, run_id: UUID, step_id: UUID, verb: str) -> HttpResponse:
    """Show and do one verb of a step."""
    run = _find(request, run_id)
    found = Step.objects.select_related("task__claimed_by", "action__agent", "agent")
    step = get_object_or_404(found, pk=step_id, run=run)
    return _Page(request, run, step, STEP_PAGES[verb]).answer()


@never_cache
@require_safe
@for_people
def step_takers(request: HttpRequest, run_id: UUID, step_id: UUID) -> HttpResponse:
    """Return whom a step may be given to, as far as they are called what somebody types."""
    user: User = request.user  # type: ignore[assignment]
    run = _find(request, run_id)
    step = get_object_or_404(Step.objects.select_related("task", "action__agent"), pk=step_id, run=run)
    return found_in(services.who_could_take(actor=user.as_actor(), run=run, step=step), request)


def _find(request: HttpRequest, run_id: UUID) -> Run:
    user: User = request.user  # type: ignore[assignment]
    found = get_object_or_404(visible_to(user), pk=run_id)
    if not services.may_steer(user, found):
        raise PermissionDenied
    return found


class _Page:
    """One look at a verb: its form, its effect, and doing it."""

    def __init__(self, request: HttpRequest, run: Run, step: Step | None, words: VerbPage) -> None:
        self.request, self.run, self.step, self.words = request, run, step, words
        self.user: User = request.user  # type: ignore[assignment]
        self.form = words.form(request.POST or None, user=self.user, run=run, step=step)

    def answer(self) -> HttpResponse:
        """Show it, show what it would change, or do it."""
        if self.request.method != "POST":
            return self._first()
        if not self.form.is_valid():
            return self._shown(422, refused="Correct what is marked below.")
        if self.request.POST.get("deed") == "look":
            return self._look()
        return self._do()

    def _first(self) -> HttpResponse:
        """Before anything is filled in, say what the usual would change; what hinders it is no error yet."""
        verb = self.form.at_first
        if verb is None:
            return self._shown(200)
        try:
            return self._shown(200, effect=self._foreseen(verb))
        except Refusal as refusal:
            return self._shown(200, hindered=refusal.in_full())

    def _look(self) -> HttpResponse:
        try:
            return self._shown(200, effect=self._foreseen(self.form.verb()), is_looked_at=True)
        except Refusal as refusal:
            return self._refused(refusal)

    def _do(self) -> HttpResponse:
        verb, seen = self.form.verb(), self.request.POST.get("seen", "")
        try:
            if not seen:
                raise Refusal(
                    "not_seen",
                    "Nothing was changed: look first at what it would change.",
                    kind=RefusalKind.INVALID,
                    next_step="Read it below, then confirm it.",
                )
            services.steer_run(
                actor=self.user.as_actor(),
                run=self.run,
                verb=verb,
                reason=self.request.POST.get("reason", ""),
                step=self.step,
                seen=seen,
            )
        except Refusal as refusal:
            return self._refused(refusal, verb)
        about = self.step.name if self.step else self.run.label
        messages.success(self.request, self.words.said.format(about))
        return redirect("run", self.run.pk)

    def _refused(self, refusal: Refusal, verb: services.Verb | None = None) -> HttpResponse:
        """Say why; where only the moment, the reason or the look was wrong, with what it would change now."""
        for error in refusal.detail.get("errors", ()) if hasattr(self.form, "add_error_at") else ():
            self.form.add_error_at(error["pointer"], error["message"])
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        try:
            effect = self._foreseen(verb) if verb else None
        except Refusal:
            effect = None
        return self._shown(status, refused=refusal.in_full(), effect=effect)

    def _foreseen(self, verb: services.Verb) -> services.Effect:
        return services.preview_steering(actor=self.user.as_actor(), run=self.run, verb=verb, step=self.step)

    def _instead(self) -> str:
        """Return the address of the other verb that people may mean, where it is offered."""
        verb = self.words.instead
        if self.step is None or not verb:
            return ""
        offered = services.verbs_of_steps(self.run, [self.step]).get(self.step.pk, ())
        return reverse(f"step-{verb}", args=[self.run.pk, self.step.pk]) if verb in offered else ""

    def _shown(self, status: int, *, effect: services.Effect | None = None, **said: Any) -> HttpResponse:
        changes = effect.changes if effect else ()
        return page(
            self.request,
            "portal/verb.html",
            self.words.title,
            status,
            subtitle=self.run.label,
            run=self.run,
            step=self.step,
            words=self.words,
            form=self.form,
            instead=self._instead(),
            effect=effect,
            changes=[(Tag("", *LOOKS.get(change.kind, ("circle", ""))), change.sentence) for change in changes],
            reason=self.request.POST.get("reason", ""),
            **said,
        )
