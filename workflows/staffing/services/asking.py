"""What people are asked and told about the employment of an agent: tasks in their inbox, and so a mail."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from agents import selectors
from agents.models import Agent, User
from agents.services import probation
from audit.vocabulary import Actor, Ref
from workflows.tasks.models import Task
from workflows.tasks.services import close_if_waiting, open_task

ATTESTATION, TAKEOVER, PROBATION = "agents.attestation", "agents.takeover", "agents.probation"
DECIDED_ELSEWHERE = {
    ATTESTATION: "Confirm it on the page of the agent's life, with its record before you; that closes this.",
    TAKEOVER: "Take over on the page of the agent's life; once a second person has agreed, this is closed.",
}
_EVERYBODY = "Managers"


def note_news(actor: Actor, agent: Agent, news: str, sentence: str) -> None:
    """Ask, tell, or close what was asked, in the transaction in which an agent's standing changes."""
    if news in ("demoted", "overdue"):
        _tell(actor, agent, sentence)
    elif news == "sponsor_left":
        if ask_takeover(agent, sentence) is not None:  # whoever stands in is asked for that, too
            _close(actor, agent, ATTESTATION, Task.State.CANCELLED, "Its sponsor has left.")
    elif news == "attested":
        _close(actor, agent, ATTESTATION, Task.State.DONE, sentence)
    elif news == "sponsor_changed":
        _close(actor, agent, TAKEOVER, Task.State.DONE, sentence)
        _close(actor, agent, ATTESTATION, Task.State.CANCELLED, sentence)
    if news in ("demoted", "promoted", "retired"):
        _close(actor, agent, PROBATION, Task.State.CANCELLED, sentence)
    if news == "retired":
        for kind in (ATTESTATION, TAKEOVER):
            _close(actor, agent, kind, Task.State.CANCELLED, sentence)


def ask_attestation(agent: Agent) -> Task | None:
    """Ask who answers for a locked agent to confirm it; None: they are asked already, or nobody is there."""
    people = _who_answers(agent)[:1]
    if agent.attest_by is None or not people or _waits(agent, ATTESTATION):
        return None
    end = timezone.make_aware(datetime.combine(agent.attest_by, time(23, 59)))
    return _open(
        agent,
        ATTESTATION,
        f"Confirm that {agent.name} is still needed, by {selectors.day(agent.attest_by)}",
        "Look at what it did and may do, and say that it still needs that, or what to take away. "
        "Nobody else can. If it is not confirmed, it may only read.",
        users=people,
        due_at=max(end, timezone.now()),
    )


def ask_takeover(agent: Agent, sentence: str) -> Task | None:
    """Ask who stands in to answer for an agent whose sponsor has left; None when they are asked already."""
    if _waits(agent, TAKEOVER):
        return None
    people = selectors.who_steps_in(agent)
    groups = () if people else Group.objects.filter(name=_EVERYBODY)
    body = (
        f"{sentence} Until it has a sponsor it may only read. Take over as its sponsor, which a second person "
        "confirms, or have it reassigned or retired."
    )
    return _open(
        agent, TAKEOVER, f"Answer for {agent.name}: its sponsor has left", body, users=people, groups=groups
    )


def ask_about_probation(agent: Agent) -> Task | None:
    """Tell the sponsor of a locked agent, once, that its probation was planned to end by now."""
    since = agent.probation_since
    if since is None or not agent.sponsor.is_active_person:
        return None
    if Task.objects.filter(subject_kind=PROBATION, subject_id=str(agent.pk), created_at__gte=since).exists():
        return None
    return _open(
        agent,
        PROBATION,
        f"The probation of {agent.name} was planned to end: say how it goes on",
        "Propose on the page of its life that it ends; the numbers are there. Otherwise it goes on: "
        "a person approves every write. Done says that it goes on.",
        users=[agent.sponsor],
    )


def _tell(actor: Actor, agent: Agent, sentence: str) -> None:
    people = _who_answers(agent)
    others = [it for it in people if str(it.pk) != actor.id]
    if others or not people:
        groups = () if others else Group.objects.filter(name=_EVERYBODY)
        title = f"{agent.name} was put back"
        _open(agent, agent.as_ref().kind, title, f"{sentence} Done says that you have read it.", others, groups)


def _open(
    agent: Agent,
    kind: str,
    title: str,
    body: str,
    users: Iterable[User] = (),
    groups: Iterable[Group] = (),
    due_at: Any = None,
) -> Task:
    return open_task(
        actor=probation.PORTAL,
        kind=Task.Kind.HUMAN_WORK,
        title=title,
        body=body,
        subject=Ref(kind, str(agent.pk), agent.name),
        users=users,
        groups=groups,
        due_at=due_at,
        priority=2,
        references=agent.event_refs(),
    )


def _waits(agent: Agent, kind: str) -> bool:
    return _asked(agent, kind).exists()


def _asked(agent: Agent, kind: str) -> Any:
    return Task.objects.filter(subject_kind=kind, subject_id=str(agent.pk), state__in=Task.WAITING)


def _close(actor: Actor, agent: Agent, kind: str, state: str, reason: str) -> None:
    for task_id in list(_asked(agent, kind).order_by("pk").values_list("pk", flat=True)):
        close_if_waiting(actor=actor, task_id=task_id, state=state, reason=reason)


def _who_answers(agent: Agent) -> list[User]:
    """Return its sponsor and deputy, without who has left."""
    return [it for it in (agent.sponsor, agent.deputy) if it is not None and it.is_active_person]
