"""Undoing a step: what is left to undo, asking for the operation that undoes it, and what came of that.

Each is an action of its own, of an agent of the node's role: decided, perhaps held or refused, done and
recorded like any other. While it is under way ``Step.undone`` says so, and its end comes back as a turn of the
step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from agents.decision import cel
from audit.vocabulary import Refusal
from workflows.actions import dispatch as actions_dispatch
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.actions.services import Ask, request_within
from workflows.runs import engine
from workflows.runs.choices import StepState, Undone
from workflows.runs.engine import RunView, StepView, UndoScope, events
from workflows.runs.models import Run, Step
from workflows.runs.policies import Sticky
from workflows.runs.services.cancelling import frames_inside
from workflows.runs.services.picture import Picture, standing_of

# The machine is shown the newest and the one before it: the newest may be what has just been undone.
MOST_SHOWN = 2
_LEFT = ("", Undone.FAILED)


def is_about_undoing(view: RunView, event: events.Event) -> bool:
    """Tell whether an event can lead to undoing, so that the view has to say what is left to undo."""
    if view.compensating or isinstance(event, events.Compensate):
        return True
    node = view.definition.nodes[view.step.node] if view.step else None
    return node is not None and (node.kind == "compensate" or bool(node.facts.get("compensate")))


def left_to_undo(run: Run, scope: UndoScope) -> Any:
    """Return the steps that are to be undone, what was completed last first; a queryset."""
    done = Step.objects.filter(run=run, state=StepState.DONE, undone__in=_LEFT, node__in=scope.nodes)
    if scope.slot.frame:
        inside = frames_inside(run, scope.slot.frame, scope.slot.index)
        here = Q(frame=UUID(scope.slot.frame), index=scope.slot.index)
        done = done.filter(here | Q(frame__in=inside))
    return done.order_by("-finished_at", "-pk")


def view_of(picture: Picture, step_id: str, event: events.Event) -> RunView:
    """Return what the machine may see for an event, for a few also what is left to undo, or what stands."""
    view = picture.view(step_id)
    if isinstance(event, events.Migrated):
        # One of each node is enough: they are asked where they stand, and a list may have ten thousand items.
        nodes = standing_of(picture.run).order_by().values_list("node", flat=True).distinct()
        return replace(view, standing=[StepView(node, node, StepState.RUNNING) for node in nodes])
    if not is_about_undoing(view, event):
        return view
    scope = engine.undo_scope(view.definition, None if view.compensating else view.step)
    found = left_to_undo(picture.run, scope).values_list("pk", flat=True)[:MOST_SHOWN]
    return replace(view, to_undo=tuple(str(key) for key in found))


def begin_undoing(picture: Picture, target: str) -> events.Undone | None:
    """Ask for the operation that undoes a step; return what came of it at once, None when it is under way."""
    step = Step.objects.select_related("agent__user", "agent__role").get(pk=target)
    node = picture.definition.nodes[step.node]
    if node.undo is None:
        return events.Undone(target, False, f"{node.name}: its version does not say any more what undoes it.")
    try:
        arguments = engine.given_to_undo(picture.view(target))
    except cel.ConditionError as error:
        why = f"What undoing {node.name} needs could not be put together: {error}."
        return events.Undone(target, False, why[:1000])
    return _ask(picture, step, node, str(node.undo["operation"]), arguments)


def _ask(
    picture: Picture, step: Step, node: engine.Node, operation: str, arguments: dict[str, Any]
) -> events.Undone | None:
    run = picture.run
    agent, choice = picture.roster.choose_for_operation(
        role=node.facts["role"],
        department=node.facts.get("department", ""),
        operation=operation,
        arguments=arguments,
        workflow_id=str(run.workflow_id),
        needs=node.facts.get("needs", ()),
        sticky=Sticky(node.name, step.agent.code if step.agent else ""),
    )
    if agent is None:
        return events.Undone(str(step.pk), False, f"{node.name} was not undone: {choice.because}"[:1000])
    references = {**run.references(), "step_id": str(step.pk)}
    # Tried again it is another wish: what was asked for before was refused, or failed for good.
    asked_before = Action.objects.filter(references__step_id=str(step.pk)).count()
    action = request_within(
        actor=agent.user.as_actor(),
        agent=agent,
        key=f"undo:{step.pk}:{asked_before}",
        ask=Ask(
            operation=operation,
            arguments=arguments,
            reason=f"Undoes step {node.name} of {run.workflow.name}",
            references=references,
            correlation_id=str(run.pk),
        ),
    )
    if isinstance(action, Refusal):
        return events.Undone(str(step.pk), False, f"{node.name} was not undone: {action.message}"[:1000])
    Step.objects.filter(pk=step.pk).update(undo_action=action)
    if action.is_final:
        return news_of_undoing(str(step.pk), node.name, action)
    transaction.on_commit(lambda: actions_dispatch.hint_run(action.pk))
    return None


def news_of_undoing(target: str, name: str, action: Action | None) -> events.Undone | None:
    """Return what came of the action that undoes a step, None while it is under way."""
    if action is None or not action.is_final:
        return None
    if action.state == State.CONFIRMED:
        return events.Undone(target, True)
    return events.Undone(target, False, f"{name} was not undone: {action.sentence or action.state}"[:1000])


def being_undone(targets: Iterable[str]) -> dict[str, tuple[Step, str]]:
    """Return these steps with their undoing, and the step each is undone for; '': an operator wanted it."""
    keys = list(targets)
    found = Step.objects.select_related("undo_action").in_bulk([UUID(key) for key in keys])
    wanted_by = dict(Step.objects.filter(undoes__in=found).values_list("undoes", "pk"))
    return {str(key): (step, str(wanted_by.get(key, ""))) for key, step in found.items()}
