"""What stands above every page about one agent: who it is, how it stands, and the ways to the other pages."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from agents.models import Agent, ChangeRequest, User
from agents.selectors import day, visible_change_requests
from workflows.pages.access import edit_page, may_edit
from workflows.pages.words import Tag

HUES = 6
MOST_WAITING = 10
ACTIVATE = "agents.agent.activate"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of an agent's employment: ``place`` is done, now or later."""

    word: str
    place: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tab:
    """One page about an agent."""

    word: str
    link: str
    is_here: bool = False


def head_of(user: User, agent: Agent, here: str, waiting: list[ChangeRequest] | None = None) -> dict[str, Any]:
    """Return what every page about an agent shows of it; ``here`` is the name of its route."""
    waits = waiting_of(user, agent) if waiting is None else waiting
    return {
        "agent": agent,
        "initials": initials(agent.name),
        "hue": zlib.crc32(agent.code.encode()) % HUES,
        "standing_tags": standing_tags(agent),
        "tabs": _tabs(user, agent, here),
        "waiting_changes": [(it, edit_page(it)) for it in waits],
        "stages": stages_of(agent, [it.kind for it in waits]),
    }


def initials(name: str) -> str:
    """Return the first letters of the first and the last word of a name, e.g. ``IC`` for Invoice clerk."""
    words = [word for word in name.split() if word[:1].isalpha()] or [name.strip()]
    letters = [word[0] for word in (words[0], words[-1])[: len(words)] if word]
    return "".join(letters).upper()


def standing_tags(agent: Agent) -> list[Tag]:
    """Return how an agent stands: its employment, its probation, its brake; each a word with its icon."""
    employed = {
        Agent.Lifecycle.DRAFT: Tag(_("Draft"), "edit_note", "info"),
        Agent.Lifecycle.ACTIVE: Tag(_("At work"), "badge", "good"),
        Agent.Lifecycle.RETIRED: Tag(_("Retired"), "logout"),
    }
    found = [employed[Agent.Lifecycle(agent.lifecycle)]]
    if agent.on_probation and agent.lifecycle == Agent.Lifecycle.ACTIVE:
        found.append(Tag(_("On probation"), "school", "wait"))
    if agent.brake == Agent.Brake.PAUSED:
        found.append(Tag(_("Paused"), "pause_circle", "bad"))
    if agent.brake == Agent.Brake.SUSPENDED:
        found.append(Tag(_("Suspended"), "lock", "bad"))
    return found


def waiting_of(user: User, agent: Agent) -> list[ChangeRequest]:
    """Return what of an agent waits for a second person, as far as somebody may see it."""
    found = visible_change_requests(user).filter(
        target_kind=agent._meta.label_lower, target_id=str(agent.pk), state=ChangeRequest.State.PENDING
    )
    return list(found.select_related("proposer").order_by("pk")[:MOST_WAITING])


def stages_of(agent: Agent, waiting: list[str]) -> list[Stage]:
    """Return the way of an agent from its proposal to its end, and where on it the agent is."""
    words = (_("Draft"), _("A second person agrees"), _("At work"), _("Paused"), _("Retired"))
    if agent.lifecycle == Agent.Lifecycle.RETIRED:
        here = 4
    elif agent.lifecycle == Agent.Lifecycle.DRAFT:
        here = 1 if ACTIVATE in waiting else 0
    else:
        here = 2 if agent.brake == Agent.Brake.NONE else 3
    notes = {2: _at_work_note(agent)} if here in (2, 3) else {}
    places = [("done" if at < here else "now" if at == here else "later") for at in range(len(words))]
    if here == 4:
        places[3] = "later"  # it need not have been paused
    return [Stage(word, places[at], notes.get(at, "")) for at, word in enumerate(words)]


def _at_work_note(agent: Agent) -> str:
    if agent.probation_until:
        return _("on probation, planned until %(day)s") % {"day": day(agent.probation_until)}
    return str(agent.get_autonomy_display())


def _tabs(user: User, agent: Agent, here: str) -> list[Tab]:
    pages = [
        ("agent-file", _("File")),
        ("agent-life", _("Life and verbs")),
        ("agent-contract", _("Contract")),
        ("agent-history", _("History")),
    ]
    if user.has_perm("actions.preview_decision"):
        pages.append(("agent-try", _("What may it do?")))
    found = [Tab(word, reverse(name, args=[agent.pk]), name == here) for name, word in pages]
    if edit := edit_page(agent):
        found.append(Tab(_("Edit") if may_edit(user, agent) else _("In the admin"), edit))
    return found
