"""What an operator orders for one agent: pause it, let it go on, redirect it, override its steps.

Each page says what it would change as things stand before anything is done, asks why, and does it once.
"""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from agents import policies
from agents.models import Agent, User
from agents.selectors import visible_agents
from agents.services import lifecycle
from audit.services import refusals_recorded
from audit.vocabulary import Actor, Refusal
from workflows.actions.models import Action
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.console.overriding import steps_in_hand
from workflows.pages.words import Tag
from workflows.tasks.models import Task
from workflows.tasks.selectors import visible_to as visible_tasks
from workflows.tasks.services import instruct_agent, may_instruct, take_back_all
from workflows.tasks.services.instructing import MOST_CHARACTERS

FEW = 5
MOST_SAID = 200
Effects = list[tuple[Tag, str]]


class PauseForm(forms.Form):
    """How it is paused, and after which time."""

    use_required_attribute = False
    HOW: ClassVar = (
        ("finish", gettext_lazy("It finishes what it has, takes nothing new, and is paused then")),
        ("keep", gettext_lazy("At once; what it has stays with it until its claim lapses")),
        ("cut", gettext_lazy("At once; what it has is taken back and offered to others")),
    )
    how = forms.ChoiceField(label=gettext_lazy("How?"), choices=HOW, initial="finish", widget=forms.RadioSelect)
    seconds = forms.TypedChoiceField(
        label=gettext_lazy("If it may finish: cut after"),
        choices=(
            (30, gettext_lazy("30 seconds")),
            (60, gettext_lazy("1 minute")),
            (300, gettext_lazy("5 minutes")),
            (900, gettext_lazy("15 minutes")),
            (3600, gettext_lazy("1 hour")),
        ),
        coerce=int,
        initial=300,
        help_text=gettext_lazy("What it still has then is taken back; what it sends for it later is refused."),
    )

    def do(self, actor: Actor, agent: Agent, reason: str) -> str:
        """Pause it, and say what was done."""
        how = self.cleaned_data["how"]
        if how == "finish":
            seconds = self.cleaned_data["seconds"]
            lifecycle.let_finish(actor=actor, agent=agent, seconds=seconds, reason=reason)
            return _("%(agent)s takes nothing new; it is paused when it has finished.") % {"agent": agent}
        lifecycle.pause_agent(actor=actor, agent=agent, reason=reason)
        if how == "cut":
            taken = take_back_all(actor=actor, agent=agent, reason=reason)
            said = ngettext("%(many)d task was taken back.", "%(many)d tasks were taken back.", taken)
            return _("%(agent)s is paused.") % {"agent": agent} + " " + said % {"many": taken}
        return _("%(agent)s is paused: every further call is refused.") % {"agent": agent}


class ResumeForm(forms.Form):
    """It asks nothing but why."""

    def do(self, actor: Actor, agent: Agent, reason: str) -> str:
        """Let it go on."""
        lifecycle.lift_brake(actor=actor, agent=agent, reason=reason)
        return _("%(agent)s may act again.") % {"agent": agent}


class InstructForm(forms.Form):
    """What it is told, and about what."""

    use_required_attribute = False
    text = forms.CharField(
        label=gettext_lazy("What you tell it"),
        max_length=MOST_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy("It reads this as an operator's words. They give no right and change no rule."),
    )
    task = forms.ChoiceField(label=gettext_lazy("About"), required=False)

    def __init__(self, data: Any = None, *, tasks: list[Task] | None = None) -> None:
        super().__init__(data)
        field: Any = self.fields["task"]
        field.choices = [("", _("In general")), *((str(task.pk), task.title) for task in tasks or ())]

    def do(self, actor: Actor, agent: Agent, reason: str) -> str:
        """Say it."""
        given = self.cleaned_data
        instruct_agent(
            actor=actor, agent=agent, text=given["text"], reason=reason, task_id=given["task"] or None
        )
        return _("%(agent)s is told. You see here when it has read it.") % {"agent": agent}


def _in_hand(agent: Agent, user: User) -> list[Task]:
    held = visible_tasks(user).filter(claimed_by=agent.user_id, state=Task.State.CLAIMED)
    return list(held.select_related("step__run").order_by("pk")[: MOST_SAID + 1])


def effects_of_pause(agent: Agent, user: User) -> Effects:
    """Say what a pause changes as things stand: what is in its hands, under way, allowed and asked for."""
    tasks = _in_hand(agent, user)
    named = "; ".join(task.title for task in tasks[:FEW])
    has = ngettext(
        "It has %(many)d task in hand: %(named)s", "It has %(many)d tasks in hand: %(named)s", len(tasks)
    )
    found: Effects = [
        (
            Tag("", "assignment_ind", "info"),
            has % {"many": len(tasks), "named": named} if tasks else _("It has no task in hand."),
        )
    ]
    return [*found, *_actions_under_pause(agent)]


def _actions_under_pause(agent: Agent) -> Effects:
    states = Action.State
    open_ones = Action.objects.filter(agent=agent, finished_at__isnull=True)
    sent = open_ones.filter(state=states.DISPATCHED)[: MOST_SAID + 1].count()
    allowed = open_ones.filter(state=states.AUTHORIZED)[: MOST_SAID + 1].count()
    held = open_ones.filter(state=states.HELD)[: MOST_SAID + 1].count()
    found: Effects = []
    if sent:
        words = ngettext(
            "%(many)d action is with a system already: it ends there, nothing can cut it.",
            "%(many)d actions are with a system already: they end there, nothing can cut them.",
            sent,
        )
        found.append((Tag("", "send", "wait"), words % {"many": sent}))
    if allowed:
        words = ngettext(
            "%(many)d action that is allowed is not sent once it is paused.",
            "%(many)d actions that are allowed are not sent once it is paused.",
            allowed,
        )
        found.append((Tag("", "block", "bad"), words % {"many": allowed}))
    if held:
        words = ngettext(
            "%(many)d request still waits for people; its time stands still.",
            "%(many)d requests still wait for people; their time stands still.",
            held,
        )
        found.append((Tag("", "front_hand", "wait"), words % {"many": held}))
    found.append((Tag("", "lock", "bad"), _("Once it is paused every call is refused, and it is told why.")))
    found.append((Tag("", "manage_accounts", ""), _("A manager lets it go on; nothing resumes by itself.")))
    return found


def effects_of_resume(agent: Agent, user: User) -> Effects:
    """Say what letting it go on changes."""
    if agent.is_finishing and agent.brake == Agent.Brake.NONE:
        return [(Tag("", "play_circle", "good"), _("It is not paused, and takes new work again."))]
    return [
        (Tag("", "play_circle", "good"), _("It may act again, within the authority it had.")),
        (Tag("", "block", ""), _("What was refused meanwhile is not repeated by itself.")),
    ]


def effects_of_words(agent: Agent, user: User) -> Effects:
    """Say what telling it something changes."""
    return [
        (
            Tag("", "mail", "info"),
            _("It reads it over its API, with the task it is about, and says so."),
        ),
        (Tag("", "menu_book", ""), _("Your words and your reason stand in the ledger under your name.")),
        (Tag("", "verified_user", ""), _("Rules, limits and grants stay as they are: people still decide.")),
    ]


class Order:
    """One thing that is ordered for one agent: what its page says, what it asks, and what it changes."""

    def __init__(
        self, title: Any, words: Any, submit: Any, tone: str, form: Any, effects: Any, may: Any
    ) -> None:
        self.title, self.words, self.submit, self.tone = title, words, submit, tone
        self.form, self.effects, self.may = form, effects, may


ORDERS = {
    "pause": Order(
        gettext_lazy("Pause this agent"),
        gettext_lazy("It gets no new work. What it has in hand, it may finish, keep, or lose now."),
        gettext_lazy("Pause it"),
        "bad",
        PauseForm,
        effects_of_pause,
        policies.may_pause_agent,
    ),
    "resume": Order(
        gettext_lazy("Let this agent go on"),
        gettext_lazy("Its brake comes off; its authority stays as it was."),
        gettext_lazy("Let it go on"),
        "good",
        ResumeForm,
        effects_of_resume,
        policies.may_lift_brake,
    ),
    "redirect": Order(
        gettext_lazy("Redirect this agent"),
        gettext_lazy("Tell it something, or give its work to somebody else."),
        gettext_lazy("Tell it"),
        "main",
        InstructForm,
        effects_of_words,
        may_instruct,
    ),
}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def order(request: HttpRequest, agent_id: UUID, verb: str) -> HttpResponse:
    """Show what an order would change, and do it."""
    user: User = request.user  # type: ignore[assignment]
    agent = get_object_or_404(visible_agents(user).select_related("role", "department"), pk=agent_id)
    what = ORDERS[verb]
    form = _form(what, request, agent, user)
    refusal = what.may(user.as_actor(), agent)
    if request.method != "POST":
        return _shown(request, agent, verb, form, 200, hindered=refusal.in_full() if refusal else "")
    if refusal is None and not form.is_valid():
        return _shown(request, agent, verb, form, 422, refused=_("Correct what is marked below."))
    try:
        with refusals_recorded(actor=user.as_actor(), subject=agent.as_ref(), **agent.event_refs()):
            policies.require(refusal)
            said = form.do(user.as_actor(), agent, request.POST.get("reason", ""))
    except Refusal as found:
        status = STATUS_OF_KIND.get(found.kind, 403)
        return _shown(request, agent, verb, form, status, refused=found.in_full())
    messages.success(request, said)
    return redirect(f"{reverse('console')}?agent={agent.pk}")


def _form(what: Order, request: HttpRequest, agent: Agent, user: User) -> Any:
    data = request.POST if request.method == "POST" else None
    return what.form(data, tasks=_in_hand(agent, user)[:FEW]) if what.form is InstructForm else what.form(data)


def _shown(request: HttpRequest, agent: Agent, verb: str, form: Any, status: int, **said: Any) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    what = ORDERS[verb]
    return page(
        request,
        "portal/console_order.html",
        what.title,
        status,
        subtitle=agent.name,
        agent=agent,
        what=what,
        form=form,
        effects=what.effects(agent, user),
        in_hand=steps_in_hand(agent, user, ("redirect", "rerun")) if verb == "redirect" else None,
        back=f"{reverse('console')}?agent={agent.pk}",
        reason=request.POST.get("reason", ""),
        **{"refused": "", "hindered": "", **said},
    )
