"""Several incidents dealt with alike: each with what it would change, one reason, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from agents.models import User
from agents.policies import require_reason
from audit.vocabulary import Refusal
from workflows.pages.access import for_people, page
from workflows.pages.incidents import MOST_SHOWN, causes_for, parked_steps, steerable_runs, told
from workflows.pages.run_filters import as_key
from workflows.pages.steering import LOOKS
from workflows.pages.step_words import full_name
from workflows.pages.words import Tag
from workflows.runs import services
from workflows.runs.models import Step
from workflows.runs.selectors import visible_to

MOST_TOLD = 8  # changes of one case; the page of the verb has them all


@dataclass(frozen=True, slots=True)
class Together:
    """A verb that is done to several: its words, and whether it is about the whole run."""

    made: Callable[[], services.Verb]
    title: Any
    words: Any
    submit: Any
    tone: str
    of_run: bool = False


VERBS: dict[str, Together] = {
    "retry": Together(
        services.Retry,
        gettext_lazy("Try these steps again"),
        gettext_lazy(
            "Each is done again as a new attempt; an operation that was done is not repeated, only what comes "
            "after it is looked at again."
        ),
        gettext_lazy("Try again"),
        "good",
    ),
    "skip": Together(
        services.Skip,
        gettext_lazy("Skip these steps"),
        gettext_lazy(
            "Each run goes on as if its step were done, without an answer. What follows may need an answer to "
            "know where to go on: then it stops there."
        ),
        gettext_lazy("Skip"),
        "main",
    ),
    "cancel": Together(
        services.Cancel,
        gettext_lazy("Cancel these runs"),
        gettext_lazy(
            "Each run ends for good. Its open tasks and questions are taken back; what was done in systems "
            "stays done."
        ),
        gettext_lazy("Cancel"),
        "bad",
        of_run=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One case on the sheet: what it would change now or what hinders it; later, what became of it."""

    key: str
    step: str
    run: str
    link: str
    changes: list[tuple[Tag, str]]
    more: int = 0
    seen: str = ""
    hindered: str = ""
    is_done: bool = False


@never_cache
@require_POST
@for_people
def steer_together(request: HttpRequest) -> HttpResponse:
    """Show what a verb would change for each chosen case, or do it to each and say what became of it."""
    user = _user(request)
    verb = VERBS.get(request.POST.get("verb", ""))
    steps = _chosen(request, user)
    if steps and not steerable_runs(user, [step.run_id for step in steps]):
        raise PermissionDenied
    if verb is None or not steps:
        said = _("Nothing was changed: choose at least one case, then what is to be done.")
        return _back(request, said)
    if verb.of_run:
        steps = list({step.run_id: step for step in reversed(steps)}.values())[::-1]
    if request.POST.get("deed") != "do":
        return _shown(request, verb, _foreseen(user, verb, steps))
    return _do(request, user, verb, steps)


def _do(request: HttpRequest, user: User, verb: Together, steps: list[Step]) -> HttpResponse:
    reason = request.POST.get("reason", "")
    try:
        require_reason(reason)
    except Refusal as refusal:
        return _shown(request, verb, _foreseen(user, verb, steps), 422, refused=refusal.in_full())
    seen = {step.pk: request.POST.get(f"seen-{step.pk}", "") for step in steps}
    outcomes = [_steered(user, verb, step, reason, seen[step.pk]) for step in steps]
    done = [one for one in outcomes if one.is_done]
    said = ngettext("%(count)s of %(all)s was done.", "%(count)s of %(all)s were done.", len(done))
    return page(
        request,
        "portal/incidents_done.html",
        str(verb.title),
        200 if done else 409,
        words=verb,
        said=said % {"count": len(done), "all": len(outcomes)},
        done=done,
        left=[one for one in outcomes if not one.is_done],
    )


def _steered(user: User, verb: Together, step: Step, reason: str, seen: str) -> Sheet:
    """Do it to one: whatever becomes of the others, it is done or refused by itself."""
    try:
        if not seen:
            raise Refusal("not_seen", _("It was not on the sheet that you looked at."))
        effect = services.steer_run(
            actor=user.as_actor(),
            run=step.run,
            verb=verb.made(),
            reason=reason,
            step=None if verb.of_run else step,
            seen=seen,
        )
    except Refusal as refusal:
        return _sheet(step, hindered=refusal.in_full())
    return _sheet(step, effect, is_done=True)


def _foreseen(user: User, verb: Together, steps: Iterable[Step]) -> list[Sheet]:
    found = []
    for step in steps:
        try:
            effect = services.preview_steering(
                actor=user.as_actor(), run=step.run, verb=verb.made(), step=None if verb.of_run else step
            )
        except Refusal as refusal:
            found.append(_sheet(step, hindered=refusal.in_full()))
        else:
            found.append(_sheet(step, effect))
    return found


def _sheet(step: Step, effect: services.Effect | None = None, **more: Any) -> Sheet:
    changes = effect.changes if effect else ()
    return Sheet(
        key=str(step.pk),
        step=full_name(step),
        run=step.run.label,
        link=f"{reverse('run', args=[step.run_id])}#step-{step.pk}",
        changes=[
            (Tag("", *LOOKS.get(change.kind, ("circle", ""))), change.sentence)
            for change in changes[:MOST_TOLD]
        ],
        more=max(0, len(changes) - MOST_TOLD),
        seen=effect.seen if effect else "",
        **more,
    )


def _chosen(request: HttpRequest, user: User) -> list[Step]:
    """Return the chosen cases, or all of a cause, in the order they stopped; at most ``MOST_SHOWN``."""
    keys = [key for text in request.POST.getlist("step")[:MOST_SHOWN] if (key := as_key(text))]
    if group := request.POST.get("cause", ""):
        causes, _is_cut = causes_for(user)
        keys = [
            key for cause in causes if cause.key == group for case in cause.cases if (key := as_key(case.key))
        ]
    if not keys:
        return []
    steps = (
        parked_steps(user).filter(pk__in=keys) if request.POST.get("deed") != "do" else _once_parked(user, keys)
    )
    return list(steps[:MOST_SHOWN])


def _once_parked(user: User, keys: list[Any]) -> Any:
    """Return the cases of a sheet, also those that somebody has dealt with meanwhile: that is said."""
    found = Step.objects.filter(pk__in=keys).select_related("run__workflow").order_by("pk")
    if user.has_perm("runs.view_run"):
        return found
    return found.filter(run__in=visible_to(user).order_by().values("pk"))


def _shown(
    request: HttpRequest, verb: Together, sheets: list[Sheet], status: int = 200, **said: Any
) -> HttpResponse:
    able = [sheet for sheet in sheets if not sheet.hindered]
    return page(
        request,
        "portal/incidents_sheet.html",
        str(verb.title),
        status,
        words=verb,
        verb=request.POST.get("verb", ""),
        sheets=able,
        hindered=[sheet for sheet in sheets if sheet.hindered],
        reason=request.POST.get("reason", ""),
        **said,
    )


def _back(request: HttpRequest, refused: str) -> HttpResponse:
    shown = {**told(_user(request)), "refused": refused}
    return page(request, "portal/incidents.html", _("What needs an operator"), 422, **shown)


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
