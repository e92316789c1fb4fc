"""Where higher sub-packages hang in: who owns a task, and what a task may wait for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agents.models import Role
from audit.vocabulary import Actor
from workflows.tasks.models import Instruction, Task

ClosedFn = Callable[[Actor, Task], None]
# Says whether what is awaited is still open; takes what locks it needs, so that its end cannot be missed.
AwaitedFn = Callable[[Task, str], bool]
# Hears, in that transaction, that people are reminded of a deadline (start or complete) of their task: what
# leaves the house, a mail say, is sent after the commit.
RemindedFn = Callable[[Task, str], None]


@dataclass(frozen=True, slots=True)
class Circle:
    """Who takes part in what a task belongs to: codes of roles, names of groups of people."""

    roles: frozenset[str]
    groups: frozenset[str]


CircleFn = Callable[[Task], Circle]

# Says how long a failed task waits for its next attempt by the code of the failure; None: there is none.
Waits = Callable[[str], int | None]
WaitsFn = Callable[[Task], Waits | None]

_waits: dict[str, WaitsFn] = {}
_closed: dict[str, ClosedFn] = {}
_awaited: dict[str, AwaitedFn] = {}
_circles: dict[str, CircleFn] = {}
_reminded: list[RemindedFn] = []
_asked: list[Callable[[Task], None]] = []
_offered: list[Callable[[Task], None]] = []
# Hears (task, id of the user who has it or asked it, what happened, code) in that transaction.
HolderFn = Callable[[Task, str, str, str], None]
_holders: list[HolderFn] = []
_instructed: list[Callable[[Instruction], None]] = []
_elsewhere: dict[str, str] = {}


def on_task_closed(subject_kind: str, listener: ClosedFn) -> None:
    """Call ``listener(actor, task)`` in the transaction that closes a task about such a subject."""
    _closed[subject_kind] = listener


def tell_closed(actor: Actor, task: Task) -> None:
    """Tell the owner of a task that it is closed."""
    if listener := _closed.get(task.subject_kind):
        listener(actor, task)


def register_waits(subject_kind: str, waits: WaitsFn) -> None:
    """Let the owner of tasks say how often each is tried and when again; None: as the task itself says."""
    _waits[subject_kind] = waits


def waits_of(task: Task) -> Waits | None:
    """Return what the owner of a task says about its next attempt, None when nothing."""
    owner = _waits.get(task.subject_kind)
    return owner(task) if owner else None


def register_awaited(kind: str, is_open: AwaitedFn) -> None:
    """Let tasks wait for things of a kind; ``is_open(task, id)`` refuses what the task may not wait for."""
    _awaited[kind] = is_open


def awaited_kind(kind: str) -> AwaitedFn:
    """Return how to ask whether a thing is still open; raises KeyError for a kind nobody registered."""
    return _awaited[kind]


def on_reminder(listener: RemindedFn) -> None:
    """Call ``listener(task, deadline)`` whenever the people of a task are reminded of a deadline."""
    _reminded.append(listener)


def tell_reminded(task: Task, deadline: str) -> None:
    """Tell whoever passes reminders on."""
    for listener in _reminded:
        listener(task, deadline)


def on_people_asked(listener: Callable[[Task], None]) -> None:
    """Call ``listener(task)`` in the transaction that asks people: a task is opened for or handed to them."""
    _asked.append(listener)


def tell_asked(task: Task) -> None:
    """Tell whoever passes it on: that people are asked, or that agents are offered it."""
    for listener in _offered if task.kind == Task.Kind.AGENT_WORK else _asked:
        listener(task)


def on_agents_offered(listener: Callable[[Task], None]) -> None:
    """Call ``listener(task)`` in the transaction that offers a task to agents."""
    _offered.append(listener)


def on_holder_told(listener: HolderFn) -> None:
    """Call ``listener(task, user_id, what, code)`` when what somebody has, or asked, changes by other hands.

    ``what``: paused, resumed, taken_back, a final state of the task, or answered (of a question, its asker).
    """
    _holders.append(listener)


def tell_holder(task: Task, user_id: str, what: str, code: str = "") -> None:
    """Tell whoever passes it on to the program of an agent."""
    for listener in _holders:
        listener(task, user_id, what, code)


def on_instructed(listener: Callable[[Instruction], None]) -> None:
    """Call ``listener(instruction)`` in the transaction in which an operator says something to an agent."""
    _instructed.append(listener)


def tell_instructed(said: Instruction) -> None:
    """Tell whoever passes it on to the program of the agent."""
    for listener in _instructed:
        listener(said)


def register_circle(subject_kind: str, circle: CircleFn) -> None:
    """Say who takes part in tasks about such a subject: nobody else is handed one, or asked about it."""
    _circles[subject_kind] = circle


def circle_of(task: Task) -> Circle:
    """Return who takes part in a task: of one that nobody else answers for, its own role and groups."""
    if told := _circles.get(task.subject_kind):
        return told(task)
    groups = task.candidate_groups.exclude(pk__in=Role.objects.values("group"))
    roles = {task.role.code} if task.role else set()
    return Circle(frozenset(roles), frozenset(groups.values_list("name", flat=True)))


def register_decided_elsewhere(subject_kind: str, next_step: str) -> None:
    """Say where tasks about such a subject are decided: nobody completes them by hand."""
    _elsewhere[subject_kind] = next_step


def decided_elsewhere(task: Task) -> str:
    """Return where a task is decided, '' when whoever has it says that it is done."""
    return _elsewhere.get(task.subject_kind, "")
