"""Begin a step: open the task of an agent or a person, ask for an operation, take a branch, end the run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction

from agents.decision import cel
from agents.models import Department, Role
from audit.vocabulary import Ref, Refusal
from connectors.policies.schemas import plain_text
from workflows.actions import dispatch as actions_dispatch
from workflows.actions.services import Ask, request_within
from workflows.runs import engine, selectors
from workflows.runs.choices import RunState, StepState
from workflows.runs.models import Run, Step, Timer
from workflows.runs.services.moving import ENGINE, make_ready, move_run, move_step, park
from workflows.tasks.models import Task
from workflows.tasks.selectors import database_now
from workflows.tasks.services import open_task


def facts_for(run: Run) -> dict[str, Any]:
    """Return what CEL may read of a run now."""
    about = {"id": str(run.pk), "key": run.key, "workflow": run.workflow.code, "label": run.label}
    return engine.context_of(run=about, input=run.input, steps=selectors.facts_of(run))


def begin(run: Run, definition: engine.Definition, step: Step) -> None:
    """Begin a ready step of a locked run."""
    node = definition.nodes[step.node]
    try:
        _BEGIN[node.kind](run, definition, step, node)
    except cel.ConditionError as error:
        failed(
            run, definition, step, "input_failed", f"What {node.name} needs could not be put together: {error}."
        )


def failed(run: Run, definition: engine.Definition, step: Step, code: str, message: str) -> None:
    """A step failed: go the way that is named for it, or let an operator look."""
    move_step(step, StepState.FAILED, error={"code": code, "message": message[:1000]})
    follow(run, definition, step)


def follow(run: Run, definition: engine.Definition, step: Step) -> None:
    """Go on after a closed step, as the definition says."""
    _relabel(run, definition, step)
    following = engine.after(definition, step.node, facts_for(run))
    if isinstance(following, engine.Stuck):
        park(run, step, following.code, following.why)
    elif isinstance(following, engine.Finish):
        _finish(run, following)
    else:
        go_to(run, definition, step, following.node)


def go_to(run: Run, definition: engine.Definition, step: Step, node_id: str) -> Step | None:
    """Make the next step and begin it at once; a node visited too often is for an operator."""
    node = definition.nodes[node_id]
    visits = Step.objects.filter(run=run, node=node_id).count()
    if visits >= engine.MOST_VISITS:
        park(run, step, "loop", f"{node.name} was reached {visits} times.")
        return None
    made = Step.objects.create(run=run, node=node_id, generation=visits + 1, kind=node.kind, name=node.name)
    begin(run, definition, made)
    return made


def _agent(run: Run, definition: engine.Definition, step: Step, node: engine.Node) -> None:
    role = Role.objects.filter(code=node.facts["role"]).first()
    if role is None:
        failed(run, definition, step, "no_role", f"There is no role {node.facts['role']} any more.")
        return
    department = Department.objects.filter(code=node.facts.get("department", "")).first()
    if department is None and "department" in node.facts:
        failed(
            run,
            definition,
            step,
            "no_department",
            f"There is no department {node.facts['department']} any more.",
        )
        return
    facts = facts_for(run)
    work = engine.evaluated(node.facts.get("give", {}), facts)
    task = open_task(
        actor=ENGINE,
        kind=Task.Kind.AGENT_WORK,
        title=_title(node, facts, f"{node.name}: {run.label}"),
        subject=_subject(step),
        role=role,
        department=department,
        work=work,
        answer_schema=node.facts.get("answer"),
        most_attempts=node.facts.get("attempts", 3),
        due_at=_due(step, node),
        references=_references(run, step),
    )
    move_step(step, StepState.RUNNING, task=task, input=work)


def _human(run: Run, definition: engine.Definition, step: Step, node: engine.Node) -> None:
    groups = list(selectors.groups_of_people().filter(name__in=node.facts["groups"]))
    if gone := sorted(set(node.facts["groups"]) - {group.name for group in groups}):
        failed(run, definition, step, "no_group", f"There is no group of people {', '.join(gone)} any more.")
        return
    facts = facts_for(run)
    shown = engine.evaluated(node.facts.get("show", {}), facts)
    is_exception = node.facts.get("exception", False)
    task = open_task(
        actor=ENGINE,
        kind=Task.Kind.EXCEPTION if is_exception else Task.Kind.HUMAN_WORK,
        title=_title(node, facts, f"{node.name}: {run.label}"),
        subject=_subject(step),
        groups=groups,
        work=shown,
        answer_schema=node.facts["form"],
        due_at=_due(step, node),
        references=_references(run, step),
    )
    move_step(step, StepState.RUNNING, task=task, input=shown)


def _operation(run: Run, definition: engine.Definition, step: Step, node: engine.Node) -> None:
    arguments = engine.evaluated(node.facts.get("arguments", {}), facts_for(run))
    chosen = selectors.least_busy(node.facts["role"], node.facts.get("department", ""))
    if chosen is None:
        failed(run, definition, step, "no_agent", f"No agent with the role {node.facts['role']} may work now.")
        return
    agent, why = chosen
    _due(step, node)
    action = request_within(
        actor=agent.user.as_actor(),
        agent=agent,
        key=f"step:{step.pk}",
        ask=Ask(
            operation=node.facts["operation"],
            arguments=arguments,
            reason=f"Step {node.name} of {run.workflow.name}",
            references=_references(run, step),
            correlation_id=str(run.pk),
        ),
    )
    if isinstance(action, Refusal):
        failed(run, definition, step, action.code, action.message)
        return
    move_step(step, StepState.RUNNING, action=action, agent=agent, chosen_because=why[:500], input=arguments)
    if action.is_final:
        make_ready(step)
    else:
        transaction.on_commit(lambda: actions_dispatch.hint_run(action.pk))


def _branch(run: Run, definition: engine.Definition, step: Step, node: engine.Node) -> None:
    move_step(step, StepState.DONE)
    follow(run, definition, step)


_BEGIN = {"agent": _agent, "human": _human, "operation": _operation, "branch": _branch, "end": _branch}


def _finish(run: Run, end: engine.Finish) -> None:
    move_run(
        actor=ENGINE,
        run=run,
        to=RunState.DONE,
        verb="runs.run_finished",
        sentence=f"{run.label}: {end.outcome.replace('_', ' ')}",
        code=end.outcome,
        outcome=end.outcome,
        output=dict(end.output),
    )


def _relabel(run: Run, definition: engine.Definition, step: Step) -> None:
    text = definition.nodes[step.node].facts.get("label")
    if not text or step.state != StepState.DONE:
        return
    try:
        label = cel.evaluate(text, cel.make_context(facts_for(run)))
    except cel.ConditionError:
        return  # a name for people is worth no incident
    if isinstance(label, str) and plain_text(label).strip():
        run.label = plain_text(label).strip()[:200]
        run.save(update_fields=["label"])


def _title(node: engine.Node, facts: Mapping[str, Any], otherwise: str) -> str:
    if "title" not in node.facts:
        return otherwise
    title = plain_text(str(engine.evaluated({"title": node.facts["title"]}, facts).get("title", "")))
    return title.strip() or otherwise


def _due(step: Step, node: engine.Node) -> Any:
    seconds = node.facts.get("due_seconds")
    if not seconds:
        return None
    at = database_now() + timedelta(seconds=seconds)
    Timer.objects.create(step=step, kind=Timer.Kind.OVERDUE, fire_at=at)
    return at


def _subject(step: Step) -> Ref:
    return Ref("runs.step", str(step.pk), f"{step.name}: {step.run.label}"[:300])


def _references(run: Run, step: Step) -> dict[str, str]:
    return {**run.references(), "step_id": str(step.pk)}
