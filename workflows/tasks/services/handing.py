"""Pass a claimed task on: to another agent, to the agents of a role, or to people. The old claim is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction

from agents.models import Agent, Role, User
from agents.selectors import agent_facts
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from workflows.tasks import broadcast, registry
from workflows.tasks.models import Task
from workflows.tasks.services.records import (
    locked,
    note_passing,
    record,
    refused,
    require_claimer,
    require_epoch,
    require_waiting,
    require_work,
)
from workflows.tasks.services.standing import require_standing

MOST_HAND_OFFS = 5
HOW = "handed_off"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who is asked: agents of a role, of them perhaps only one; or people, a group or one person."""

    label: str
    role: Role | None = None
    agent: Agent | None = None
    group: Group | None = None
    person: User | None = None


@dataclass(frozen=True, slots=True)
class Recipients:
    """Whom a person may pass a task on to or ask about it."""

    groups: list[Group]
    people: list[User]
    roles: list[Role]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an agent must be to get it: in a department, with labels, and not one of those that are spared."""

    spared: frozenset[str]
    department_id: str = ""
    needs: frozenset[str] = frozenset()

    def fits(self, agent: Agent) -> bool:
        """Tell whether an agent may get it."""
        if str(agent.user_id) in self.spared or not self.needs <= set(agent.labels):
            return False
        return not self.department_id or self.department_id in agent_facts(agent).department_ids


@transaction.atomic
def hand_off_task(
    *, actor: Actor, task_id: UUID | str, epoch: int, to: Mapping[str, str], reason: str, note: str = ""
) -> Task:
    """Pass a task one holds on; who, why and to whom stays on it, and the old epoch is refused from now on.

    ``to`` names one of ``agent``, ``role`` (codes), ``group`` or ``person`` (names), among those who take part
    in what the task belongs to. Work handed to people is answered by the same schema, as a form. Raises Refusal
    not_eligible, handed_off_too_often, hands_it_back, cannot_hand_off, reason_missing, and those of a claim.
    """
    task = held(actor, task_id, epoch)
    if not reason.strip():
        raise refused("reason_missing", "Nothing was passed on: say why.", kind=RefusalKind.INVALID)
    if task.asked_for_id:
        raise refused(
            "cannot_hand_off",
            "A question is not passed on: it was put to you.",
            "Answer what you know, or fail it, so that whoever asks can ask somebody else.",
            kind=RefusalKind.CONFLICT,
        )
    if sum(it["how"] == HOW for it in task.passed_on) >= MOST_HAND_OFFS:
        raise refused(
            "handed_off_too_often",
            f"The task {task.title!r} was not passed on: that was done {MOST_HAND_OFFS} times.",
            "Complete it, fail it with a code, or release it.",
            kind=RefusalKind.CONFLICT,
        )
    by_agent = actor.kind is ActorKind.AGENT
    spared = {*task.not_offered_to, actor.id} if by_agent else set()
    department, needs = str(task.department_id or ""), frozenset(task.needs)
    found = recipient_of(task, to, Wanted(frozenset(spared), department, needs))
    _pass_on(actor, task, found, reason, note)
    task.not_offered_to = sorted(spared)
    task.save(update_fields=["not_offered_to"])
    sentence = f"{actor.label} passed the task on to {found.label}: {task.title}"
    record(actor, "tasks.task_handed_off", task, sentence, reason, code="agents" if found.role else "people")
    return task


def held(actor: Actor, task_id: UUID | str, epoch: int) -> Task:
    """Lock a task and return it; refuse whoever does not hold it at this epoch, or may not work."""
    task = locked(task_id)
    require_epoch(task, epoch)
    require_waiting(task)
    require_work(task)
    require_claimer(actor, task)
    require_standing(actor, task)
    return task


def _pass_on(actor: Actor, task: Task, to: Recipient, reason: str, note: str) -> None:
    note_passing(
        task,
        how=HOW,
        by=actor,
        before=[actor.label],
        to=[to.label],
        reason=reason,
        holder_id=actor.id,
        note=note,
    )
    if to.role is not None:
        task.kind, task.role = Task.Kind.AGENT_WORK, to.role
    else:
        task.role = None
        task.kind = task.kind if task.kind == Task.Kind.EXCEPTION else Task.Kind.HUMAN_WORK
    task.state, task.claimed_by, task.lease_until = Task.State.OPEN, None, None
    task.preferred_agent = None
    task.epoch += 1
    task.lapses = 0
    task.progress = ""
    task.save(
        update_fields=["kind", "role", "preferred_agent", "state", "claimed_by", "lease_until", "epoch",
                       "lapses", "progress", "passed_on"]
    )  # fmt: skip
    groups = [to.group] if to.group else [to.role.group] if to.role else []
    one = to.agent.user if to.agent else to.person
    task.candidate_groups.set(groups)
    task.candidate_users.set([one] if one else [])
    if to.role is not None:
        transaction.on_commit(partial(broadcast.tell_work, to.role.pk))
    registry.tell_asked(task)


def recipients_of(task: Task, user: User) -> Recipients:
    """Return everybody but this person who takes part in what a task belongs to."""
    circle = registry.circle_of(task)
    people = User.objects.filter(kind=User.Kind.PERSON, is_active=True, groups__name__in=circle.groups)
    return Recipients(
        groups=list(Group.objects.filter(name__in=circle.groups).order_by("name")),
        people=list(people.exclude(pk=user.pk).distinct().order_by("username")),
        roles=[
            role for role in Role.objects.filter(code__in=circle.roles).order_by("name") if agents_at_work(role)
        ],
    )


def recipient_of(task: Task, to: Mapping[str, str], wanted: Wanted) -> Recipient:
    """Return who is meant; refuse whoever takes no part, may not work, or would only hand it back.

    Spared are agents that do not get it: who asks, and those that passed it on before.
    """
    if len(to) != 1 or not set(to) <= set(_FINDERS):
        raise refused(
            "invalid",
            "Name exactly one of agent, role, group and person in `to`.",
            kind=RefusalKind.INVALID,
        )
    ((kind, name),) = to.items()
    circle = registry.circle_of(task)
    return _FINDERS[kind](task, name, circle, wanted)


def _to_role(task: Task, name: str, circle: registry.Circle, wanted: Wanted) -> Recipient:
    role = Role.objects.select_related("group").filter(code=name).first()
    if role is None or role.code not in circle.roles:
        raise _not_eligible(f"the role {name}", "it takes no part in this work", circle)
    able = [agent for agent in agents_at_work(role) if wanted.fits(agent)]
    if not able:
        raise _not_eligible(f"the role {name}", "none of its agents may take it now", circle)
    return Recipient(f"agents of {role.name}", role=role)


def _to_agent(task: Task, name: str, circle: registry.Circle, wanted: Wanted) -> Recipient:
    agent = Agent.objects.select_related("role__group", "user").filter(code=name).first()
    if agent is None or agent.role.code not in circle.roles:
        raise _not_eligible(f"the agent {name}", "its role takes no part in this work", circle)
    if str(agent.user_id) in wanted.spared:
        raise refused(
            "hands_it_back",
            f"The task {task.title!r} was not passed on: {agent.name} is who passes it on, or did before.",
            "Pass it to somebody else, to people for instance; a person may give it back.",
            kind=RefusalKind.CONFLICT,
        )
    if agent not in agents_at_work(agent.role) or not wanted.fits(agent):
        raise _not_eligible(f"the agent {name}", "it may not work now, or not at this", circle)
    return Recipient(agent.name, role=agent.role, agent=agent)


def _to_group(task: Task, name: str, circle: registry.Circle, wanted: Wanted) -> Recipient:
    group = Group.objects.filter(name=name).first() if name in circle.groups else None
    if group is None:
        raise _not_eligible(f"the group {name}", "it takes no part in this work", circle)
    return Recipient(group.name, group=group)


def _to_person(task: Task, name: str, circle: registry.Circle, wanted: Wanted) -> Recipient:
    among = User.objects.filter(kind=User.Kind.PERSON, is_active=True, groups__name__in=circle.groups)
    person = among.filter(username=name).first()
    if person is None:
        raise _not_eligible(f"the person {name}", "they are in no group that takes part in this work", circle)
    return Recipient(str(person), person=person)


_FINDERS = {"role": _to_role, "agent": _to_agent, "group": _to_group, "person": _to_person}


def agents_at_work(role: Role) -> list[Agent]:
    """Return the agents of a role that may work."""
    able = {
        "lifecycle": Agent.Lifecycle.ACTIVE,
        "brake": Agent.Brake.NONE,
        "pause_at": None,
        "user__is_active": True,
    }
    return list(Agent.objects.select_related("user", "department", "role").filter(role=role, **able))


def _not_eligible(whom: str, why: str, circle: registry.Circle) -> Refusal:
    roles, groups = ", ".join(sorted(circle.roles)), ", ".join(sorted(circle.groups))
    return refused(
        "not_eligible",
        f"It was not put to {whom}: {why}.",
        f"Those who take part are the roles {roles or '(none)'} and the groups {groups or '(none)'}.",
    )
