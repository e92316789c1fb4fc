"""What a verb would change, in words and as data: what ends, who loses the work, what cannot be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from connectors.policies.digests import digest_of
from workflows.actions.choices import NOT_BEGUN, State
from workflows.actions.models import Action
from workflows.runs.choices import OPEN_RUNS, OPEN_STEPS, Undone
from workflows.runs.engine import Plan, orders
from workflows.runs.models import Run, Step
from workflows.runs.services.cancelling import steps_inside
from workflows.runs.services.picture import Picture
from workflows.tasks.models import Task

# What the system may be doing right now; nobody can take it back any more.
UNDER_WAY = (State.DISPATCHED, State.IN_DOUBT)
MOST_TOLD = 100
READS = "read"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing a verb changes or leaves.

    ``kind``, for programs: ``ends``, ``loses`` (somebody the work), ``taken_back`` (an action that has not
    begun), ``goes_on`` (one that has), ``stays`` (done, and not undone), ``undoes``, ``answers``,
    ``begins``, ``settles``, ``waits``, ``becomes`` or ``run``. ``sentence`` is for people. The others are ids,
    ``who`` a name; '' if there is none.
    """

    kind: str
    sentence: str
    step: str = ""
    task: str = ""
    action: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """Everything a verb changes, as it was found. ``seen`` names it: what happened meanwhile gives another."""

    verb: str
    changes: tuple[Change, ...] = ()
    seen: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Name the effect by what it says."""
        object.__setattr__(self, "seen", digest_of({"verb": self.verb, "changes": self.as_data()}))

    def as_data(self) -> list[dict[str, str]]:
        """Return the changes as JSON."""
        return [asdict(change) for change in self.changes]

    def of_kind(self, *kinds: str) -> list[Change]:
        """Return the changes of some kinds, in their order."""
        return [change for change in self.changes if change.kind in kinds]


def changes_of(plan: Plan, picture: Picture) -> list[Change]:
    """Return what a plan of the machine changes; nothing is written, and nothing locked."""
    names = _Names(picture)
    ended: dict[UUID, Step] = {}
    found: list[Change] = []
    parked_again = {order.step for order in plan.orders if isinstance(order, orders.Park)}
    for order in plan.orders:
        if isinstance(order, orders.Unpark) and order.step in parked_again:
            continue
        if isinstance(order, orders.CancelOpen):
            ended |= _open_inside(picture, order)
        elif isinstance(order, orders.Close) and order.by_hand:
            ended |= Step.objects.filter(state__in=OPEN_STEPS).in_bulk([order.step])
        if told := _TELL.get(type(order)):
            found += told(order, names)
    return [*_told_of(list(ended.values())), *found]


def work_of(steps: Sequence[Step]) -> list[Change]:
    """Return what becomes of the work of open steps that is taken from whoever has it."""
    waiting = Task.objects.select_related("claimed_by", "step").filter(step__in=steps, state__in=Task.WAITING)
    lost = [_loses(task) for task in waiting.order_by("pk")]
    return [*lost, *(_asked(action) for action in actions_of([step.pk for step in steps]))]


def _told_of(ended: Sequence[Step]) -> list[Change]:
    """A list of ten thousand items is told by its first, and how many more there are."""
    ends = told([_ends(step) for step in ended], "ends", "steps are not done any further")
    return [*ends, *_inside_of(ended[:MOST_TOLD]), *work_of(ended[:MOST_TOLD])]


def _inside_of(steps: Sequence[Step]) -> list[Change]:
    """Return the runs that these steps began and wait for: they end with them, and all inside of them."""
    found = Run.objects.filter(parent__in=steps, state__in=OPEN_RUNS).order_by("pk")
    return [Change("ends", f"{run.label} is cancelled with it.", str(run.parent_id)) for run in found]


def told(changes: Sequence[Change], kind: str, more: str) -> list[Change]:
    """Return the first of many like changes, and one that says how many more there are."""
    rest = len(changes) - MOST_TOLD
    return [*changes[:MOST_TOLD], *([Change(kind, f"{rest} more {more}.")] if rest > 0 else [])]


def stays_of(steps: Iterable[UUID]) -> list[Change]:
    """Return what was done in systems for these steps and is not undone."""
    steps = list(steps)
    undone = _undone(steps)
    done = [
        action
        for action in actions_of(steps)
        if action.state == State.CONFIRMED and not _reads(action) and action.pk not in undone
    ]
    return told([_asked(action) for action in done], "stays", "actions were done and are not undone")


def _undone(steps: Sequence[UUID]) -> set[UUID | None]:
    """Return the actions that undo these steps, and those that were undone."""
    found = Step.objects.filter(pk__in=steps).exclude(undone="").only("undone", "action", "undo_action")
    return {step.undo_action_id for step in found} | {
        step.action_id for step in found if step.undone == Undone.DONE
    }


def undoing_of(run: Run) -> list[Change]:
    """Return what is being undone at this moment: it comes to its own end."""
    steps = Step.objects.filter(run=run, undone=Undone.RUNNING).order_by("pk")
    return [
        Change(
            "goes_on",
            f"{step.name} is being undone, which comes to its own end and is noted.",
            str(step.pk),
            action=str(step.undo_action_id or ""),
        )
        for step in steps
    ]


def actions_of(steps: Iterable[UUID]) -> list[Action]:
    """Return what was asked for in these steps, by agents or by the steps themselves, oldest first."""
    wanted = [str(key) for key in steps]
    found = Action.objects.filter(references__step_id__in=wanted).select_related("agent", "operation")
    return list(found.order_by("pk"))


def _ends(step: Step) -> Change:
    return Change("ends", f"{step.name} is not done any further.", str(step.pk))


def _loses(task: Task) -> Change:
    ids = {"step": str(task.step.pk), "task": str(task.pk)}
    if task.claimed_by is None:
        return Change("loses", f"The task “{task.title}” is taken back; nobody has it now.", **ids)
    who = str(task.claimed_by)
    sentence = f"{who} loses the task “{task.title}”; what comes of it later is refused."
    return Change("loses", sentence, **ids, who=who)


def _asked(action: Action) -> Change:
    ids = {"step": _step_of(action), "action": str(action.pk), "who": action.agent.name}
    if action.state in NOT_BEGUN:
        held = "nobody has to decide on it any more" if action.state == State.HELD else "it had not begun"
        return Change("taken_back", f"{action.label} is taken back: {held}.", **ids)
    if action.state in UNDER_WAY:
        sentence = f"{action.label} has begun and comes to its own end: it may be done, whatever happens here."
        return Change("goes_on", sentence, **ids)
    if action.state == State.CONFIRMED and not _reads(action):
        return Change("stays", f"{action.label} was done and is not undone.", **ids)
    return Change("stays", f"{action.label} stays {action.get_state_display().lower()}.", **ids)


def _reads(action: Action) -> bool:
    return action.operation is not None and action.operation.effect == READS


def _step_of(action: Action) -> str:
    return str(action.references.get("step_id", ""))


def _open_inside(picture: Picture, order: orders.CancelOpen) -> dict[UUID, Step]:
    if order.frame.startswith("+"):
        return {}  # made by this very plan: nothing in it has begun
    but = order.but if not order.but.startswith("+") else ""
    inside, _ = steps_inside(run=picture.run, frame=order.frame, index=order.index, but=but)
    return {step.pk: step for step in inside.filter(state__in=OPEN_STEPS).order_by("pk")}


class _Names:
    """What steps are called for people, those of the plan included."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.made: dict[str, str] = {}

    def node(self, node: str) -> str:
        return self.picture.definition.nodes[node].name

    def step(self, step: str) -> str:
        known = self.picture.steps.get(step)
        node = known.node if known else Step.objects.values_list("node", flat=True).get(pk=step)
        return self.made.get(step) or self.node(node)


def _made(order: orders.Make, names: _Names) -> list[Change]:
    name = names.made[order.step] = names.node(order.node)
    if order.state != "ready":
        return []
    again = f" again, as attempt {order.generation}" if order.generation > 1 else ""
    return [Change("begins", f"{name} begins{again}.")]


def _items(order: orders.StartItems, names: _Names) -> list[Change]:
    return [Change("begins", f"{names.node(order.node)} begins for {order.count} of the list.")]


def _closed(order: orders.Close, names: _Names) -> list[Change]:
    word = {"skipped": "is skipped", "done": "counts as done with the answer given"}.get(order.state)
    if not order.by_hand or word is None:
        return []
    return [Change("answers", f"{names.step(order.step)} {word}.", order.step)]


def _answered(order: orders.Reanswer, names: _Names) -> list[Change]:
    sentence = (
        f"The answer of {names.step(order.step)} is corrected for whatever reads it from now on; "
        "what was done with the old one stays as it is."
    )
    return [Change("answers", sentence, order.step)]


def _reopened(order: orders.Reopen, names: _Names) -> list[Change]:
    return [Change("settles", "It counts as under way again for the join that waits for it.")]


def _undone_by(order: orders.Undo, names: _Names) -> list[Change]:
    node = Step.objects.values_list("node", flat=True).get(pk=order.step)
    undo = names.picture.definition.nodes[node].undo or {}
    return [Change("undoes", f"{names.node(node)} is undone by {undo.get('operation')}.", order.step)]


def _marked(order: orders.MarkUndone, names: _Names) -> list[Change]:
    if order.how != Undone.GIVEN_UP:
        return []
    return [Change("stays", f"{names.step(order.step)} is left as it is: nobody tries to undo it.", order.step)]


def _parked(order: orders.Park, names: _Names) -> list[Change]:
    name = names.step(order.step)
    why = order.why.removeprefix(f"{name}: ")
    return [Change("waits", f"{name} then waits for an operator: {why}")]


def _unparked(order: orders.Unpark, names: _Names) -> list[Change]:
    return [Change("settles", f"{names.step(order.step)} waits for an operator no more.", order.step)]


def _finished(order: orders.FinishRun, names: _Names) -> list[Change]:
    how = "for good, cancelled" if order.state == "cancelled" else f"as {order.outcome.replace('_', ' ')}"
    return [Change("run", f"The run ends {how}.")]


_TELL: dict[type, Callable[[Any, _Names], list[Change]]] = {
    orders.Make: _made,
    orders.StartItems: _items,
    orders.Close: _closed,
    orders.Reanswer: _answered,
    orders.Reopen: _reopened,
    orders.Undo: _undone_by,
    orders.MarkUndone: _marked,
    orders.Park: _parked,
    orders.Unpark: _unparked,
    orders.FinishRun: _finished,
}
