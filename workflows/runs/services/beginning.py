"""Begin the work of a step: open the task of an agent or a person, ask for an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from agents.decision import cel
from agents.models import Department, Role
from audit.vocabulary import Ref, Refusal
from connectors.policies.schemas import plain_text
from workflows.actions.models import Action
from workflows.actions.services import Ask, Wish, hint_actions, preview_decision, request_together
from workflows.runs import dispatch, engine, selectors
from workflows.runs.choices import StepState
from workflows.runs.engine.events import Closed, Down, Event, Failed
from workflows.runs.models import Step, Timer
from workflows.runs.services.assigning import choose_agent, keep_for, routed
from workflows.runs.services.children import begin_child
from workflows.runs.services.deadlines import set_deadlines
from workflows.runs.services.lanes import put_in_line
from workflows.runs.services.moving import ENGINE, move_step, move_steps
from workflows.runs.services.picture import Picture
from workflows.runs.services.times import set_times
from workflows.runs.services.waiting import await_signal
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now
from workflows.tasks.services import open_task


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation that a step is to ask for, together with those of other steps."""

    step: Step
    wish: Wish
    why: Mapping[str, Any]


def begin(step: Step, picture: Picture) -> Event | Asked | None:
    """Begin the work of a ready step; return what happened to it at once, None when it is under way now.

    What it is to ask for is returned, and left to ``ask_for``.
    """
    node = picture.definition.nodes[step.node]
    try:
        given = engine.given(picture.view(str(step.pk)))
        if "signal" in node.facts:
            return await_signal(step, node, picture)
        return _BEGIN[node.kind](step, node, given, picture)
    except cel.ConditionError as error:
        return _cannot("input_failed", f"What {node.name} needs could not be put together: {error}.")


def _cannot(code: str, message: str) -> Failed:
    return Failed(code, message[:1000], retryable=False)


def _agent(step: Step, node: engine.Node, given: Mapping[str, Any], picture: Picture) -> Event | None:
    role = Role.objects.filter(code=node.facts["role"]).first()
    if role is None:
        return _cannot("no_role", f"There is no role {node.facts['role']} any more.")
    department = Department.objects.filter(code=node.facts.get("department", "")).first()
    if department is None and "department" in node.facts:
        return _cannot("no_department", f"There is no department {node.facts['department']} any more.")
    work = given.get("give", {})
    kept, why = keep_for(step, node, picture)
    task = open_task(
        actor=ENGINE,
        kind=Task.Kind.AGENT_WORK,
        title=_title(given, f"{node.name}: {step.run.label}"),
        subject=_subject(step),
        role=role,
        department=department,
        needs=node.facts.get("needs", ()),
        preferred_agent=kept,
        work=work,
        answer_schema=node.facts.get("answer"),
        most_attempts=engine.most_attempts(node),
        heartbeat_seconds=node.facts.get("timeouts", {}).get("heartbeat_seconds"),
        due_at=_due(step, node),
        priority=step.priority or step.run.priority,
        references=_references(step),
        lane=step.run.lane,
    )
    set_times(step, node)
    move_step(step, StepState.RUNNING, task=task, input=work, **why)
    return None


def _human(step: Step, node: engine.Node, given: Mapping[str, Any], picture: Picture) -> Event | None:
    groups = list(selectors.groups_of_people().filter(name__in=node.facts["groups"]))
    if gone := sorted(set(node.facts["groups"]) - {group.name for group in groups}):
        return _cannot("no_group", f"There is no group of people {', '.join(gone)} any more.")
    shown = given.get("show", {})
    is_exception = node.facts.get("exception", False)
    deadlines = node.facts.get("deadlines", {})
    task = open_task(
        actor=ENGINE,
        kind=Task.Kind.EXCEPTION if is_exception else Task.Kind.HUMAN_WORK,
        title=_title(given, f"{node.name}: {step.run.label}"),
        subject=_subject(step),
        groups=groups,
        work=shown,
        answer_schema=node.facts["form"],
        due_at=set_deadlines(step, deadlines) or _due(step, node),
        deadlines=deadlines,
        priority=step.priority or step.run.priority,
        references=_references(step),
    )
    move_step(step, StepState.RUNNING, task=task, input=shown)
    return None


def _operation(
    step: Step, node: engine.Node, given: Mapping[str, Any], picture: Picture
) -> Event | Asked | None:
    _due(step, node)
    set_times(step, node)
    before = step.action
    if before is not None and (event := _still_counts(step, before)):
        return event
    if is_down := picture.roster.down(node.facts["operation"]):
        return Down(is_down)
    arguments = given.get("arguments", {})
    agent, choice = choose_agent(step, node, arguments, picture)
    if agent is None:
        return _cannot("no_agent", choice.because)
    ask = Ask(
        operation=node.facts["operation"],
        arguments=arguments,
        reason=f"Step {node.name} of {step.run.workflow.name}",
        references=_references(step),
        correlation_id=str(step.run_id),
    )
    # The same attempt asks once; the next one names the action that had no effect, and asks anew.
    key = f"step:{step.pk}:{before.pk}" if before else f"step:{step.pk}"
    return Asked(step, Wish(agent, key, ask), routed(choice, node))


def ask_for(asked: Sequence[Asked]) -> list[tuple[Asked, Event]]:
    """Ask for the operations of steps, and note that they are under way; return what was refused at once."""
    if not asked:
        return []
    answers = request_together(wishes=[one.wish for one in asked])
    came = list(zip(asked, answers, strict=True))
    going = [(one, action) for one, action in came if isinstance(action, Action)]
    move_steps([(one.step, _under_way(one, action)) for one, action in going], StepState.RUNNING)
    if over := [one.step.pk for one, action in going if action.is_final]:
        put_in_line(over)
        transaction.on_commit(dispatch.hint_tick)
    transaction.on_commit(lambda: hint_actions(action for _, action in going))
    return [(one, _cannot(no.code, no.message)) for one, no in came if isinstance(no, Refusal)]


def _under_way(one: Asked, action: Action) -> dict[str, Any]:
    return {"action": action, "agent": one.wish.agent, "input": dict(one.wish.ask.arguments), **one.why}


def _still_counts(step: Step, before: Action) -> Event | None:
    """Refuse to do again what was done, or may have been: only what certainly had no effect is repeated."""
    if before.state == Action.State.CONFIRMED:
        return Closed(before.result or {})
    if before.is_final:
        return None
    raise RuntimeError(f"step {step.pk}: an attempt begins, and its action {before.pk} is {before.state}")


def _gate(step: Step, node: engine.Node, given: Mapping[str, Any], picture: Picture) -> Event | None:
    """Ask what the policy would say, as the agent that would do it: nothing is done, reserved or held."""
    arguments = given.get("arguments", {})
    agent, choice = choose_agent(step, node, arguments, picture)
    if agent is None:
        return _cannot("no_agent", choice.because)
    Step.objects.filter(pk=step.pk).update(agent=agent, input=arguments, **routed(choice, node))
    wish = Ask(operation=node.facts["operation"], arguments=arguments, references=_references(step))
    try:
        judged = preview_decision(actor=agent.user.as_actor(), agent=agent, ask=wish).decision
    except Refusal as refusal:
        return Closed({"verdict": "deny", "code": refusal.code, "sentence": refusal.message})
    return Closed({"verdict": str(judged.verdict), "code": judged.code, "sentence": judged.sentence})


def _wait(step: Step, node: engine.Node, given: Mapping[str, Any], picture: Picture) -> Event | None:
    at = given.get("until", database_now() + timedelta(seconds=node.facts.get("seconds", 0)))
    if not isinstance(at, datetime) or ("until" in node.facts and "until" not in given):
        return _cannot("no_time", f"{node.name}: what it waits for is no time: {given.get('until')!r}.")
    Timer.objects.create(step=step, kind=Timer.Kind.WAKE, fire_at=at)
    move_step(step, StepState.RUNNING)
    return None


_BEGIN: dict[str, Callable[[Step, engine.Node, Mapping[str, Any], Picture], Event | Asked | None]] = {
    "agent": _agent,
    "human": _human,
    "operation": _operation,
    "gate": _gate,
    "sub": begin_child,
    "wait": _wait,
}


def _title(given: Mapping[str, Any], otherwise: str) -> str:
    return plain_text(str(given.get("title", ""))).strip() or otherwise


def _due(step: Step, node: engine.Node) -> Any:
    seconds = node.facts.get("due_seconds")
    if not seconds or step.started_at is not None:
        return None  # what is due is due, however often it is tried
    at = database_now() + timedelta(seconds=seconds)
    Timer.objects.create(step=step, kind=Timer.Kind.OVERDUE, fire_at=at)
    return at


def _subject(step: Step) -> Ref:
    return Ref("runs.step", str(step.pk), f"{step.name}: {step.run.label}"[:300])


def _references(step: Step) -> dict[str, str]:
    return {**step.run.references(), "step_id": str(step.pk)}
