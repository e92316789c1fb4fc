"""Stop everything, and the way back in its stages: who is affected first, a typed word, a reason."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from agents.models import Stop, User
from agents.selectors import agents_affected, visible_stops
from agents.services import stops
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from workflows.actions.models import Action
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.words import Tag
from workflows.runs.choices import OPEN_RUNS
from workflows.runs.models import Run
from workflows.tasks.models import Task

EVERYTHING = Stop.ScopeKind.EVERYTHING
MOST_COUNTED = 1000
FEW = 8
LIFTED = "lift"
Effects = list[tuple[Tag, str]]


class StopForm(forms.Form):
    """The word that says it is meant, and whether it is a drill."""

    use_required_attribute = False
    typed = forms.CharField(
        label=gettext_lazy("Type STOP to say that you mean it"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    is_exercise = forms.BooleanField(
        label=gettext_lazy("This is a drill"),
        required=False,
        help_text=gettext_lazy("It stops as any other does; evidence shows it apart."),
    )

    def clean_typed(self) -> str:
        """Take the word in small letters, too."""
        typed: str = self.cleaned_data["typed"]
        if typed.strip().casefold() != "stop":
            raise forms.ValidationError(_("Type the word STOP."))
        return typed


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def stop_everything(request: HttpRequest) -> HttpResponse:
    """Show whom a stop of everything hits, and stop it."""
    user: User = request.user  # type: ignore[assignment]
    if not user.has_perm("agents.raise_stop"):
        raise PermissionDenied
    form = StopForm(request.POST if request.method == "POST" else None)
    if request.method != "POST":
        return _stopping(request, form, 200)
    if not form.is_valid():
        return _stopping(request, form, 422, refused=_("Nothing was stopped: correct what is marked below."))
    try:
        stops.raise_stop(
            actor=user.as_actor(),
            scope_kind=EVERYTHING,
            reason=request.POST.get("reason", ""),
            is_exercise=form.cleaned_data["is_exercise"],
        )
    except Refusal as refusal:
        return _stopping(request, form, STATUS_OF_KIND.get(refusal.kind, 403), refused=refusal.in_full())
    words = _("Everything is stopped: nothing starts any more. Where it has arrived stands on its page.")
    messages.success(request, words)
    return redirect("console")


def _stopping(request: HttpRequest, form: StopForm, status: int, refused: str = "") -> HttpResponse:
    what = {
        "title": _("Stop everything"),
        "words": _("No agent acts any more, in any department, until a manager lets it go on, stage by stage."),
        "submit": _("Stop everything now"),
        "tone": "bad",
    }
    return page(
        request,
        "portal/console_order.html",
        what["title"],
        status,
        what=what,
        form=form,
        effects=effects_of_stop(),
        part_way=reverse("admin:agents_stop_add"),
        back=reverse("console"),
        reason=request.POST.get("reason", ""),
        refused=refused,
        hindered="",
    )


def _counted(found: QuerySet[Any]) -> tuple[int, str]:
    """Return how many there are, and that in words: of very many only that they are more."""
    many = found.order_by()[: MOST_COUNTED + 1].count()
    return many, _("more than %(many)s") % {"many": f"{MOST_COUNTED:,}"} if many > MOST_COUNTED else str(many)


def effects_of_stop() -> Effects:
    """Say what a stop of everything hits as things stand now."""
    agents = agents_affected(EVERYTHING, "")
    many, said = _counted(agents)
    names = ", ".join(agents.order_by("name").values_list("name", flat=True)[:FEW])
    hit = ngettext("%(many)s agent is stopped: %(names)s", "%(many)s agents are stopped: %(names)s", many)
    more = _(", and others.") if many > FEW else "."
    found: Effects = [
        (Tag("", "smart_toy", "bad"), hit % {"many": said, "names": names} + more)
        if many
        else (Tag("", "smart_toy", ""), _("No agent is at work now; those that come are stopped, too."))
    ]
    held, said = _counted(Task.objects.filter(state=Task.State.CLAIMED, claimed_by__kind=User.Kind.AGENT))
    words = ngettext(
        "%(many)s task is taken back from agents.", "%(many)s tasks are taken back from agents.", held
    )
    found.append((Tag("", "undo", "wait"), words % {"many": said}))
    going, said = _counted(Run.objects.filter(state__in=OPEN_RUNS))
    words = ngettext(
        "%(many)s run under way waits where it is.", "%(many)s runs under way wait where they are.", going
    )
    found.append((Tag("", "route", "wait"), words % {"many": said}))
    sent, said = _counted(Action.objects.filter(state=Action.State.DISPATCHED, finished_at__isnull=True))
    words = ngettext(
        "%(many)s action is with a system already and ends there; no other is sent.",
        "%(many)s actions are with a system already and end there; no other is sent.",
        sent,
    )
    found.append((Tag("", "send", "wait"), words % {"many": said}))
    found.append((Tag("", "group", ""), _("People can still work, read and decide.")))
    return found


STAGES = {
    Stop.Stage.LOOK: (
        gettext_lazy("Let agents read"),
        gettext_lazy("The first stage back: they may look, and begin and change nothing."),
        gettext_lazy("Agents in it may read again. Nothing goes further until a person decides so."),
    ),
    Stop.Stage.HELD: (
        gettext_lazy("Let agents work, every write held"),
        gettext_lazy("The second stage back: they work, and a person approves every write."),
        gettext_lazy("Agents in it work again, and a person approves every write."),
    ),
    LIFTED: (
        gettext_lazy("Lift this stop"),
        gettext_lazy("Nothing resumes by itself: what waited is decided again."),
        gettext_lazy("The stop was lifted."),
    ),
    Stop.Stage.STOP: (
        gettext_lazy("Stop it again"),
        gettext_lazy("Nothing in it starts any more, as when it was pressed."),
        gettext_lazy("Nothing in it starts any more."),
    ),
}


def stop_ways(stop: Stop, user: User) -> list[tuple[str, str]]:
    """Return what a person may do about a stop now, as words and address: the way back in its stages."""
    stages: list[str] = []
    if user.has_perm("agents.lift_stop"):
        stages += [Stop.Stage.LOOK] if stop.stage == Stop.Stage.STOP else []
        stages += [Stop.Stage.HELD] if stop.stage != Stop.Stage.HELD else []
        stages += [LIFTED]
    if user.has_perm("agents.raise_stop") and stop.stage != Stop.Stage.STOP:
        stages += [Stop.Stage.STOP]
    return [(str(STAGES[stage][0]), reverse(f"console-{stage}-stop", args=[stop.pk])) for stage in stages]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def stop_stage(request: HttpRequest, stop_id: UUID, stage: str) -> HttpResponse:
    """Show what the next stage of a stop lets pass, and take it there."""
    user: User = request.user  # type: ignore[assignment]
    stop = get_object_or_404(visible_stops(user), pk=stop_id)
    if not user.has_perm("agents.raise_stop" if stage == Stop.Stage.STOP else "agents.lift_stop"):
        raise PermissionDenied
    if request.method != "POST":
        return _staging(request, stop, stage, 200)
    actor, reason = user.as_actor(), request.POST.get("reason", "")
    try:
        with refusals_recorded(actor=actor, subject=stop.as_ref()):
            if stage == LIFTED:
                stops.lift_stop(actor=actor, stop=stop, reason=reason)
            else:
                stops.set_stage(actor=actor, stop=stop, stage=stage, reason=reason)
    except Refusal as refusal:
        return _staging(request, stop, stage, STATUS_OF_KIND.get(refusal.kind, 403), refused=refusal.in_full())
    messages.success(request, STAGES[stage][2])
    return redirect("console")


def _staging(request: HttpRequest, stop: Stop, stage: str, status: int, refused: str = "") -> HttpResponse:
    title, words, _said = STAGES[stage]
    what = {"title": title, "words": words, "submit": title, "tone": "bad" if stage == "stop" else "good"}
    many, said = _counted(agents_affected(stop.scope_kind, stop.scope_id))
    about = ngettext("%(many)s agent is in it.", "%(many)s agents are in it.", many) % {"many": said}
    raised = _("%(who)s stopped it: %(why)s") % {"who": stop.raised_by, "why": stop.reason}
    is_over = stop.lifted_at is not None
    return page(
        request,
        "portal/console_order.html",
        str(title),
        status,
        what=what,
        about=stop.scope_label or stop.get_scope_kind_display(),
        form=None,
        effects=[(Tag("", "smart_toy", "info"), about), (Tag("", "front_hand", "bad"), raised)],
        back=reverse("console"),
        reason=request.POST.get("reason", ""),
        refused=refused,
        hindered=_("It was lifted already.") if is_over else "",
    )
