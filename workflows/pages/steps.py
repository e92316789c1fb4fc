"""The steps of a run as people read them: what was asked, who has it, what came of it, what was done for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, Q
from django.urls import reverse

from agents.models import User
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to as visible_actions
from workflows.pages.step_words import (
    full_name,
    in_brief,
    name_of,
    named,
    shown_input,
    took_words,
    who_has,
)
from workflows.pages.words import IN_LINE, Fact, Tag, action_tag, facts_of, humanize, state_tag
from workflows.runs.choices import StepState, StepVerb
from workflows.runs.models import Intervention, Run, Step
from workflows.runs.selectors import visible_to as visible_runs
from workflows.runs.services import may_steer, verbs_of_steps, why_unclaimed
from workflows.tasks.models import Task

HELD = Tag("Held for people", "front_hand", "wait")
MOST_STEPS = 200  # a map may have ten thousand items; a page shows so many, and where the next are
_QUESTIONS = Task.objects.select_related("claimed_by__agent").order_by("pk")
# What is done by the engine itself within one look says nothing to people but where the run went.
SCHEMA_OF = {"agent": "answer", "human": "form"}


@dataclass(frozen=True, slots=True)
class Call:
    """One governed action that a step asked for."""

    label: str
    tag: Tag
    link: str
    question: str = ""


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step of the table. What agents, people and systems wrote is text, never markup."""

    key: str
    name: str
    again: int
    tag: Tag
    who: str
    since: datetime | None
    ended: datetime | None
    took: str
    due: datetime | None
    stands_since: datetime | None
    asked: list[Fact]
    asked_briefly: str
    answer: list[Fact]
    answer_briefly: str
    answered: str  # who gave the answer, as its heading says it
    by_agent: bool
    error: str = ""
    notes: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    task_link: str = ""
    verbs: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_plain(self) -> bool:
        """Say whether there is nothing to tell but that it was passed."""
        return not (self.asked or self.answer or self.error or self.notes or self.calls)


def lines_of_steps(
    run: Run, user: User, documents: Mapping[str, str], steps: list[Step] | None = None
) -> list[StepLine]:
    """Return steps of a run, at first those that began first; ``documents`` are the names behind the ids."""
    steps = list(steps_of(run)[:MOST_STEPS]) if steps is None else steps
    calls = {**_calls(steps, run, user), **_children(steps, user)}
    nobody = why_unclaimed(steps)
    by_hand = _given_by_hand(run, steps)
    verbs = verbs_of_steps(run, steps) if may_steer(user, run) else {}
    return [
        _line(
            step,
            run,
            documents,
            calls.get(step.pk, []),
            nobody.get(step.pk, ""),
            verbs.get(step.pk, ()),
            by_hand.get(step.pk),
        )
        for step in steps
    ]


def _given_by_hand(run: Run, steps: Iterable[Step]) -> dict[Any, Intervention]:
    """Return who gave or corrected the answers of steps last, by the steps: those are no agent's words."""
    found = Intervention.objects.select_related("by").filter(
        run=run, step__in=[step.pk for step in steps], verb__in=(StepVerb.OVERRIDE, StepVerb.SKIP)
    )
    return {one.step_id: one for one in found.order_by("pk")}


def steps_of(run: Run) -> Any:
    """Return the steps of a run with everything their lines name."""
    return (
        Step.objects.filter(run=run)
        .select_related("agent", "task__claimed_by__agent", "task__role", "task__department", "action__agent")
        .select_related("subscription")
        .prefetch_related("task__candidate_groups", "task__candidate_users")
        .prefetch_related(Prefetch("task__questions", _QUESTIONS))
        .order_by("pk")
    )


def _line(
    step: Step,
    run: Run,
    documents: Mapping[str, str],
    calls: list[Call],
    nobody: str,
    verbs: Iterable[StepVerb],
    by_hand: Intervention | None,
) -> StepLine:
    node = run.version.content["nodes"].get(step.node, {})
    schema = node.get(SCHEMA_OF.get(step.kind, ""), {})
    asked = facts_of(named(shown_input(step), documents))
    answer = facts_of(named(step.answer or {}, documents), schema)
    waits = step.state in (StepState.READY, StepState.RUNNING)
    is_held = any(call.question for call in calls)
    # What an agent asked for and gave its task back for, as well as what a step itself asked for.
    is_in_line = not is_held and waits and any(call.tag is IN_LINE for call in calls)
    return StepLine(
        key=str(step.pk),
        name=full_name(step),
        again=step.generation if step.generation > 1 else 0,
        tag=tag_of(step, is_held=is_held, is_in_line=is_in_line),
        who=who_has(step, is_held=is_held, is_in_line=is_in_line),
        since=step.started_at or step.created_at,
        ended=step.finished_at,
        took=took_words(step),
        due=step.task.due_at if step.task and waits else None,
        stands_since=step.clock_stopped_at if waits else None,
        asked=asked,
        asked_briefly=in_brief(asked),
        answer=answer,
        answer_briefly=in_brief(answer),
        answered=_answered(step, by_hand),
        by_agent=_is_agents(step, by_hand),
        error=str(step.error.get("message") or humanize(str(step.error.get("code", "")))),
        notes=[
            *_notes(step, waits),
            *_questions(step),
            *_said_before(step, by_hand, schema),
            *([nobody] if nobody else []),
        ],
        calls=calls,
        task_link=_task_link(step),
        verbs=[(_words(verb, step), reverse(f"step-{verb}", args=[run.pk, step.pk])) for verb in verbs],
    )


def _is_agents(step: Step, by_hand: Intervention | None) -> bool:
    """Say whether the answer is an agent's: work of agents may be given to people, and answers be corrected."""
    is_persons = step.task and step.task.claimed_by and not step.task.claimed_by.is_agent
    return step.kind == "agent" and by_hand is None and not is_persons


def _answered(step: Step, by_hand: Intervention | None) -> str:
    if by_hand is not None:
        return f"{by_hand.by} gave this answer"
    if _is_agents(step, by_hand):
        return "The agent answered"
    return f"{step.task.claimed_by} answered" if step.task and step.task.claimed_by else "Answer"


def _questions(step: Step) -> list[str]:
    """Return what was asked of others for a step, and what they said."""
    found = list(step.task.questions.all()) if step.task and step.task.has_asked else []
    return [f"Asked: “{one.input.get('question', '')}” {_said_to(one)}" for one in found]


def _said_to(question: Task) -> str:
    if question.state == Task.State.DONE:
        return f"{name_of(question)} answered: {in_brief(facts_of(question.answer or {}))}"
    if question.state in Task.WAITING:
        return "Nobody has answered yet."
    return f"It was not answered ({question.get_state_display().lower()})."


def _said_before(step: Step, by_hand: Intervention | None, schema: Mapping[str, Any]) -> list[str]:
    """Return what whoever had the task answered, where a person put another answer in its place."""
    said = step.task.answer if step.task and by_hand is not None else None
    if not said or said == step.answer:
        return []
    return [f"{who_has(step)} had answered: {in_brief(facts_of(said, schema))}"]


def _words(verb: StepVerb, step: Step) -> str:
    """Say of a closed step that its answer is corrected: it has one."""
    is_given = verb == StepVerb.OVERRIDE and step.state in (StepState.DONE, StepState.SKIPPED)
    return "Correct its answer" if is_given else str(verb.label)


def tag_of(step: Step, *, is_held: bool = False, is_in_line: bool = False) -> Tag:
    """Return how a step stands, the same on every tab: an open one may wait for people or for its turn."""
    if step.state in (StepState.READY, StepState.RUNNING):
        if is_held:
            return HELD
        if is_in_line:
            return IN_LINE
    return _tag(step)


def _tag(step: Step) -> Tag:
    """Say of a running step whether somebody has it: that is what people want to know of it."""
    task = step.task
    if hasattr(step, "subscription"):
        return Tag("Waits for a signal", "hourglass_top", "wait")
    if step.kind == "sub" and step.state == StepState.RUNNING:
        return Tag("Waits for another run", "hourglass_top", "wait")
    if step.state == StepState.RUNNING and task is not None:
        if task.waits_for:
            return Tag("Waits for an action", "hourglass_top", "wait")
        if task.state == Task.State.OPEN:
            return Tag("Waits for somebody", "hourglass_top", "wait")
    if step.state == StepState.RUNNING and step.action is not None and (tag := _tag_of_call(step.action)):
        return tag
    return state_tag(step.state, step.get_state_display())


def _tag_of_call(action: Action) -> Tag | None:
    """Return what an action waits for, if it does."""
    if action.waits_for_turn:
        return IN_LINE
    return HELD if action.state == Action.State.HELD else None


def _notes(step: Step, waits: bool) -> list[str]:
    task = step.task
    found = []
    if task is not None and waits:
        if task.progress:
            found.append(f"It says: {task.progress}")
        if task.attempts:
            message = task.failure.get("message", "")
            found.append(f"Attempt {task.attempts} of {task.most_attempts} failed: {message}")
        if task.lapses:
            found.append(
                f"{task.lapses} time{'s' if task.lapses > 1 else ''} whoever had it did not come back."
            )
    if step.undone:
        found.append(f"{step.get_undone_display()}.")
    if hasattr(step, "subscription"):
        found.append(f"It waits for the signal “{step.subscription.name}”.")
    if step.held_by_id and step.state == StepState.READY:
        found.append(f"Held, and goes on by itself: {step.held_because}")
    if task is None and (failures := step.attempts + step.infra_attempts):
        found.append(f"{failures} attempt{'s' if failures > 1 else ''} failed without an effect.")
    found += [f"It {step.action.sentence}."] if step.action and step.action.waits_for_turn else []
    if step.chosen_because:
        found.append(step.chosen_because)
    found += _passed_over(step)
    return found


def _passed_over(step: Step) -> list[str]:
    """Return who else was looked at and why not, where the reason in words does not say it."""
    others = [
        one["why"] for one in (step.routing or {}).get("others", ()) if one["why"] not in step.chosen_because
    ]
    return [f"Also looked at: {'; '.join(others)}."] if others else []


def _task_link(step: Step) -> str:
    is_for_people = step.task is not None and step.task.kind != Task.Kind.AGENT_WORK
    return reverse("inbox-task", args=[step.task.pk]) if is_for_people and step.task else ""


def _calls(steps: list[Step], run: Run, user: User) -> dict[Any, list[Call]]:
    """Return the actions this person may see, by the step they were asked for."""
    of_task = {step.task_id: step.pk for step in steps if step.task_id}
    of_action = {step.action_id: step.pk for step in steps if step.action_id}
    of_action |= {step.undo_action_id: step.pk for step in steps if step.undo_action_id}
    asked = Q(task__in=list(of_task)) | Q(pk__in=list(of_action))
    found: dict[Any, list[Call]] = {}
    for action in visible_actions(user).filter(asked).order_by("pk"):
        key = of_action.get(action.pk) or (of_task.get(action.task_id) if action.task_id else None)
        found.setdefault(key, []).append(_call(action))
    return found


def _children(steps: list[Step], user: User) -> dict[Any, list[Call]]:
    """Return the runs that steps began, where this person may see them."""
    begun = [step.pk for step in steps if step.kind == "sub"]
    if not begun:
        return {}
    found = visible_runs(user).filter(parent__in=begun)
    return {run.parent_id: [_child(run)] for run in found}


def _child(run: Run) -> Call:
    tag = state_tag(run.state, run.get_state_display())
    return Call(label=run.label, tag=tag, link=reverse("run", args=[run.pk]))


def _call(action: Action) -> Call:
    held = action.state == Action.State.HELD and action.approval_id
    return Call(
        label=action.label,
        tag=action_tag(action),
        link=reverse("action", args=[action.pk]),
        question=reverse("inbox-approval", args=[action.approval_id]) if held else "",
    )
