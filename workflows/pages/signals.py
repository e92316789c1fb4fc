"""Signals: which steps wait for one, which came and wait for a step, what was taken lately; and sending one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from agents.models import User
from agents.policies import REASON_MIN_LENGTH
from audit.forms.jsontext import TypedJSONField
from audit.selectors import newest_position
from audit.vocabulary import Refusal
from workflows.pages.access import STATUS_OF_KIND, for_people, page, part
from workflows.pages.incidents import steerable_runs
from workflows.pages.step_words import full_name, in_brief
from workflows.pages.words import facts_of
from workflows.runs import services
from workflows.runs.choices import OPEN_RUNS
from workflows.runs.models import Run, Signal, Subscription, Timer
from workflows.runs.selectors import visible_to

MOST = 200
LATELY = timedelta(days=7)
MOST_TAKEN = 50


@dataclass(frozen=True, slots=True)
class Waiting:
    """One step that waits for a signal. Names are text that others wrote; ``send`` is '' for who may not."""

    name: str
    run: str
    run_link: str
    step: str
    since: datetime
    until: datetime | None
    send: str


@dataclass(frozen=True, slots=True)
class Came:
    """One signal that came: what it says in short, from whom, and the step that took it, if one did."""

    name: str
    key: str
    says: str
    who: str
    at: datetime
    run: str
    run_link: str
    step: str = ""
    taken_at: datetime | None = None


class SignalForm(forms.Form):
    """What a run is told by hand."""

    use_required_attribute = False
    name = forms.ChoiceField(label=gettext_lazy("Signal"), help_text=gettext_lazy("What its steps wait for."))
    payload = TypedJSONField(
        label=gettext_lazy("What it says"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=gettext_lazy(
            'Written as JSON, e.g. {"order": "PO-1101"}. It becomes the answer of the step. Empty: nothing.'
        ),
    )
    key = forms.CharField(
        label=gettext_lazy("Which occasion"),
        max_length=255,
        help_text=gettext_lazy("The same signal for the same occasion counts once, however often it is sent."),
    )

    reason = forms.CharField(
        label=gettext_lazy("Why"),
        min_length=REASON_MIN_LENGTH,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("It goes into the ledger under your name."),
    )

    def __init__(self, data: Any, names: Iterable[str], wanted: str) -> None:
        names = sorted(names)
        initial = {"name": wanted if wanted in names else "", "key": f"by-hand-{uuid4().hex[:12]}"}
        super().__init__(data, initial=initial)
        self.fields["name"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]

    def clean_payload(self) -> dict[str, Any]:
        """Take nothing as an object that says nothing, and refuse what is no object."""
        given = self.cleaned_data["payload"]
        if given is None or given == "":
            return {}
        if not isinstance(given, dict):
            raise forms.ValidationError(_("Write an object: names and values in curly brackets."))
        return given


@never_cache
@require_safe
@for_people
def signals(request: HttpRequest) -> HttpResponse:
    """Show what the runs somebody may see wait for, and what came for them."""
    return page(request, "portal/signals.html", _("Signals"), **_found(request))


@never_cache
@require_safe
@for_people
def signals_parts(request: HttpRequest) -> HttpResponse:
    """Return the same without the frame, for a page that follows it live."""
    return part(request, "portal/signals_parts.html", **_found(request))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def send(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Tell a run something by hand. The service asks every question again."""
    user: User = request.user  # type: ignore[assignment]
    run = get_object_or_404(visible_to(user).select_related("version"), pk=run_id)
    if not services.may_steer(user, run):
        raise PermissionDenied
    names = services.signals_of_run(run)
    form = SignalForm(request.POST if request.method == "POST" else None, names, request.GET.get("name", ""))
    if request.method != "POST":
        return _sending(request, run, form)
    if not form.is_valid():
        return _sending(request, run, form, 422, refused=_("Nothing was sent: correct what is marked below."))
    given = form.cleaned_data
    try:
        sent = services.send_signal(
            actor=user.as_actor(),
            run=run,
            name=given["name"],
            payload=given["payload"],
            key=given["key"],
            reason=given["reason"],
        )
    except Refusal as refusal:
        return _sending(request, run, form, STATUS_OF_KIND.get(refusal.kind, 403), refused=refusal.in_full())
    messages.success(request, _sent_words(sent))
    return redirect("run", run.pk)


def _sent_words(sent: services.Sent) -> str:
    if not sent.is_new:
        return _("It had come already for this occasion; nothing was sent again.")
    if sent.signal.taken_by_id:
        return _("Sent, and the step that waited for it goes on.")
    return _("Sent. No step waits for it yet; the next one that does takes it.")


def _sending(
    request: HttpRequest, run: Run, form: SignalForm, status: int = 200, refused: str = ""
) -> HttpResponse:
    shown = {"run": run, "form": form, "refused": refused, "is_open": run.state in OPEN_RUNS}
    return page(request, "portal/signal_send.html", _("Send a signal"), status, subtitle=run.label, **shown)


def _found(request: HttpRequest) -> dict[str, Any]:
    user: User = request.user  # type: ignore[assignment]
    position, shown = newest_position(), visible_to(user).values("pk")
    open_ones = visible_to(user).filter(state__in=OPEN_RUNS).values("pk")
    came = Signal.objects.select_related("run", "taken_by")
    early = came.filter(taken_by=None, run__in=open_ones).order_by("-pk")[:MOST]
    taken = came.filter(taken_at__gte=timezone.now() - LATELY, run__in=shown).order_by("-taken_at")[:MOST_TAKEN]
    return {
        "position": position,
        "waiting": list(_waiting(user, open_ones)),
        "early": [_came(one) for one in early],
        "taken": [_came(one) for one in taken],
        "most": MOST,
        "days": LATELY.days,
    }


def _waiting(user: User, runs: Any) -> Iterable[Waiting]:
    found = Subscription.objects.filter(run__in=runs).select_related("step", "run__workflow", "run__version")
    rows = list(found.order_by("pk")[:MOST])
    ends = Timer.objects.filter(step__in=[row.pk for row in rows], kind=Timer.Kind.GIVE_UP)
    late = dict(ends.values_list("step", "fire_at"))
    may = steerable_runs(user, {row.run_id for row in rows})
    for row in rows:
        yield Waiting(
            name=row.name,
            run=row.run.label,
            run_link=f"{reverse('run', args=[row.run_id])}#step-{row.pk}",
            step=full_name(row.step),
            since=row.step.started_at or row.step.created_at,
            until=late.get(row.pk),
            send=f"{reverse('run-signal', args=[row.run_id])}?name={row.name}" if row.run_id in may else "",
        )


def _came(one: Signal) -> Came:
    return Came(
        name=one.name,
        key=one.key,
        says=in_brief(facts_of(one.payload)) if one.payload else "",
        who=one.sent_by,
        at=one.sent_at,
        run=one.run.label,
        run_link=reverse("run", args=[one.run_id]),
        step=full_name(one.taken_by) if one.taken_by else "",
        taken_at=one.taken_at,
    )
