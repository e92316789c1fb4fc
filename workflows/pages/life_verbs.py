"""The verbs of an agent's life that one person begins: start, pause, suspend, go on, work more or less freely.

Each says its effect before it is done. The services ask every question again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext as _

from agents import policies, selectors
from agents.models import Agent, User
from agents.services import lifecycle
from audit.vocabulary import Actor, Refusal, RefusalKind

Deed = Callable[[HttpRequest, Actor, Agent, str], str]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb as a page offers it: its word, what it brings about, and the tone of its button."""

    name: str
    word: str
    effect: str
    why: str
    tone: str
    choices: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


def _activate(_request: HttpRequest, actor: Actor, agent: Agent, reason: str) -> str:
    change = lifecycle.activate_agent(actor=actor, agent=agent, reason=reason)
    return _("It waits for a second person: %(what)s") % {"what": change.summary}


def _pause(_request: HttpRequest, actor: Actor, agent: Agent, reason: str) -> str:
    lifecycle.pause_agent(actor=actor, agent=agent, reason=reason)
    return _("%(name)s is paused: every further call is refused.") % {"name": agent.name}


def _suspend(_request: HttpRequest, actor: Actor, agent: Agent, reason: str) -> str:
    lifecycle.suspend_agent(actor=actor, agent=agent, reason=reason)
    return _("%(name)s is suspended: its access is closed.") % {"name": agent.name}


def _resume(_request: HttpRequest, actor: Actor, agent: Agent, reason: str) -> str:
    lifecycle.lift_brake(actor=actor, agent=agent, reason=reason)
    return _("%(name)s may act again.") % {"name": agent.name}


def _autonomy(request: HttpRequest, actor: Actor, agent: Agent, reason: str) -> str:
    wanted = request.POST.get("autonomy", "")
    if wanted not in Agent.Autonomy.values:
        raise Refusal(
            "autonomy_missing",
            _("Nothing was changed: it was not said how freely it is to work."),
            kind=RefusalKind.INVALID,
            next_step=_("Choose one of the ways."),
        )
    change = lifecycle.set_autonomy(actor=actor, agent=agent, autonomy=wanted, reason=reason)
    if change is None:
        return _("How freely %(name)s works was changed.") % {"name": agent.name}
    return _("It waits for a second person: %(what)s") % {"what": change.summary}


DEEDS: dict[str, Deed] = {
    "activate": _activate,
    "pause": _pause,
    "suspend": _suspend,
    "resume": _resume,
    "autonomy": _autonomy,
}


def verbs_for(user: User, agent: Agent, waiting: list[str]) -> list[Verb]:
    """Return the verbs of these that mean something for an agent now and that somebody may use."""
    if agent.lifecycle == Agent.Lifecycle.RETIRED:
        return []
    actor = user.as_actor()
    is_free = agent.brake == Agent.Brake.NONE
    is_draft = agent.lifecycle == Agent.Lifecycle.DRAFT and "agents.agent.activate" not in waiting
    offered = (
        (is_draft, policies.may_activate_agent, _activating),
        (is_free, policies.may_pause_agent, _pausing),
        (agent.brake != Agent.Brake.SUSPENDED, policies.may_suspend_agent, _suspending),
        (not is_free, policies.may_lift_brake, _resuming),
        (True, policies.may_set_autonomy, _freeing),
    )
    return [build(agent) for means, may, build in offered if means and may(actor, agent) is None]


def _activating(agent: Agent) -> Verb:
    effect = _(
        "A second person approves it, with exactly the file and the grants it has now. Then it starts work."
    )
    return Verb("activate", _("Let it start work"), effect, _("Why it is needed"), "main")


def _pausing(agent: Agent) -> Verb:
    effect = _("Every further call is refused at once. It keeps its place and its token, and is told why.")
    return Verb("pause", _("Pause it"), effect, _("Why it is paused"), "bad")


def _suspending(agent: Agent) -> Verb:
    effect = _("Its access is closed: tokens are void and none is issued until the brake is lifted.")
    return Verb("suspend", _("Suspend it"), effect, _("Why it is suspended"), "bad")


def _resuming(agent: Agent) -> Verb:
    effect = _("It may act again, within the authority it had. What was refused is not repeated by itself.")
    return Verb("resume", _("Let it go on"), effect, _("Why it may go on"), "good")


def _freeing(agent: Agent) -> Verb:
    labels = {str(label): str(value) for value, label in Agent.Autonomy.choices}
    choices = tuple(
        (labels[label], label, tuple(said.text for said in found))
        for label, found in selectors.differences_of_autonomy(agent)
    )
    effect = _("Less of it holds at once. More of it waits for a second person.")
    return Verb("autonomy", _("Change how freely it works"), effect, _("Why it is changed"), "main", choices)
