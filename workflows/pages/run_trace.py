"""The trace of a run as a tree: step, its work, what was asked for, the calls; each with what it took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from agents.models import User
from audit.services.evidence.cells import length_words
from connectors.models import Call
from connectors.selectors import visible_calls
from workflows.actions.models import Action
from workflows.actions.policies import differences
from workflows.actions.selectors import shown_arguments
from workflows.actions.selectors import visible_to as visible_actions
from workflows.pages.run_meter import Meter, meters_of_tasks
from workflows.pages.step_words import full_name, named, shown_input, took_words, who_has
from workflows.pages.steps import tag_of
from workflows.pages.words import Fact, Tag, action_tag, facts_of
from workflows.runs.models import Run, Step

MOST_STEPS = 100
MOST_ACTIONS = 300
MOST_CALLS = 600
CALL_LOOKS = {
    "confirmed": ("check_circle", "good"),
    "failed": ("error", "bad"),
    "unknown": ("help", "wait"),
    "running": ("play_circle", "info"),
}


@dataclass(frozen=True, slots=True)
class CallNode:
    """One call to a system: why, how it ended, how long it took."""

    words: str
    tag: Tag
    at: datetime
    took: str
    ref: str
    error: str


@dataclass(frozen=True, slots=True)
class ActionNode:
    """One governed action: its arguments as they may be shown, its result, and its calls."""

    label: str
    link: str
    tag: Tag
    at: datetime
    took: str
    arguments: list[Fact]
    result: list[Fact]
    found: str
    is_held: bool = False
    calls: list[CallNode] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StepNode:
    """One attempt of a step. ``changed``: of a later attempt only what is other than in the one before it."""

    key: str
    name: str
    again: int
    tag: Tag
    who: str
    took: str
    meter: Meter | None
    is_changed: bool
    given: list[Fact]
    answer: list[Fact]
    work: str = ""
    actions: list[ActionNode] = field(default_factory=list)


def told(run: Run, user: User, after: Any, documents: Mapping[str, str]) -> dict[str, Any]:
    """Return what the tab shows; ``after`` is the step that its tree begins behind."""
    steps = list(_steps(run, after)[: MOST_STEPS + 1])
    more, steps = len(steps) > MOST_STEPS, steps[:MOST_STEPS]
    actions = _actions(steps, user)
    meters = meters_of_tasks(run, user, [step.task_id for step in steps])
    before = _before(run, steps)
    return {
        "nodes": [
            _node(step, before.get(step.pk), documents, meters.get(str(step.task_id)), actions.get(step.pk, []))
            for step in steps
        ],
        "next": steps[-1].pk if more else None,
        "is_cut": sum(map(len, actions.values())) >= MOST_ACTIONS,
    }


def other(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Fact]:
    """Return what is other in ``after``, each as it was and as it is: changed keys only."""
    return [
        Fact(one.name, one.after or _("none"), before=one.before or _("none"))
        for one in differences(dict(before), dict(after))
    ]


def _steps(run: Run, after: Any) -> QuerySet[Step]:
    found = Step.objects.filter(run=run).order_by("pk")
    found = found.select_related("agent", "task__claimed_by__agent", "task__role", "action", "subscription")
    found = found.prefetch_related("task__candidate_groups", "task__candidate_users")
    return found.filter(pk__gt=after) if after else found


def _before(run: Run, steps: Sequence[Step]) -> dict[Any, Step]:
    """Return the attempt before each later one, by the later one."""
    again = {(step.node, step.frame_id, step.index, step.generation - 1): step.pk for step in steps}
    nodes = {step.node for step in steps if step.generation > 1}
    if not nodes:
        return {}
    earlier = Step.objects.filter(run=run, node__in=nodes).select_related("action").order_by("pk")
    slots = ((step, (step.node, step.frame_id, step.index, step.generation)) for step in earlier)
    return {again[slot]: step for step, slot in slots if slot in again}


def _node(
    step: Step,
    before: Step | None,
    documents: Mapping[str, str],
    meter: Meter | None,
    actions: list[ActionNode],
) -> StepNode:
    given, answer = named(shown_input(step), documents), named(step.answer or {}, documents)
    changed = before is not None
    is_held = any(action.is_held for action in actions)
    if before is not None:
        old_given, old_answer = named(shown_input(before), documents), named(before.answer or {}, documents)
    return StepNode(
        key=str(step.pk),
        name=full_name(step),
        again=step.generation if step.generation > 1 else 0,
        tag=tag_of(step, is_held=is_held),
        who=who_has(step, is_held=is_held),
        took=took_words(step),
        meter=meter,
        is_changed=changed,
        given=other(old_given, given) if changed else facts_of(given),
        answer=other(old_answer, answer) if changed and before and before.answer else facts_of(answer),
        work=step.task.title if step.task else "",
        actions=actions,
    )


def _actions(steps: Sequence[Step], user: User) -> dict[Any, list[ActionNode]]:
    """Return the actions this person may see with the calls they may see, by their steps."""
    of_action = {step.action_id: step.pk for step in steps if step.action_id}
    of_action |= {step.undo_action_id: step.pk for step in steps if step.undo_action_id}
    of_task = {step.task_id: step.pk for step in steps if step.task_id}
    asked = Q(task__in=list(of_task)) | Q(pk__in=list(of_action))
    if not (of_action or of_task):
        return {}
    shown = visible_actions(user).filter(asked).select_related("revision", "replaces")
    actions = list(shown.order_by("pk")[:MOST_ACTIONS])
    calls = _calls(actions, user)
    found: dict[Any, list[ActionNode]] = {}
    for action in actions:
        key = of_action.get(action.pk) or (of_task.get(action.task_id) if action.task_id else None)
        found.setdefault(key, []).append(_action(action, calls.get(str(action.pk), [])))
    return found


def _calls(actions: Iterable[Action], user: User) -> dict[str, list[CallNode]]:
    wanted = [str(action.pk) for action in actions]
    found: dict[str, list[CallNode]] = {}
    if not wanted:
        return found
    calls = visible_calls(user).filter(action_id__in=wanted).defer("request_summary", "response_excerpt")
    for call in calls.order_by("action_id", "started_at")[:MOST_CALLS]:
        found.setdefault(call.action_id, []).append(_call(call))
    return found


def _call(call: Call) -> CallNode:
    icon, tone = CALL_LOOKS.get(call.outcome, ("circle", ""))
    took = length_words((call.finished_at - call.started_at).total_seconds()) if call.finished_at else ""
    return CallNode(
        words=_("%(why)s at %(system)s") % {"why": call.get_purpose_display(), "system": call.system.name},
        tag=Tag(str(call.get_outcome_display()), icon, tone),
        at=call.started_at,
        took=took,
        ref=call.remote_ref,
        error=call.error_message or call.error_code,
    )


def _action(action: Action, calls: list[CallNode]) -> ActionNode:
    schema = action.revision.input_schema if action.revision else None
    took = (
        length_words((action.finished_at - action.requested_at).total_seconds()) if action.finished_at else ""
    )
    return ActionNode(
        label=action.label,
        link=reverse("action", args=[action.pk]),
        tag=action_tag(action),
        at=action.requested_at,
        took=took,
        arguments=facts_of(shown_arguments(action), schema),
        result=facts_of(action.result or {}),
        found=str(action.get_outcome_display()) if action.outcome else "",
        is_held=action.state == Action.State.HELD,
        calls=calls,
    )


def results_of(run: Run, user: User) -> list[ActionNode]:
    """Return what was done in systems for a run and what came back, newest first, without the calls."""
    done = visible_actions(user).filter(correlation_id=str(run.pk), state=Action.State.CONFIRMED)
    shown = done.select_related("revision", "replaces").order_by("-requested_at")[:MOST_ACTIONS]
    return [_action(action, []) for action in shown]
