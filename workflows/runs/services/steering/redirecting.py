"""Give the work of a step to another agent, another person, or a group of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction

from agents.decision import Verdict
from agents.models import User
from audit.offers import Offer
from audit.vocabulary import Actor, Refusal
from workflows.actions import dispatch as actions_dispatch
from workflows.actions.choices import NOT_BEGUN, State
from workflows.actions.models import Action
from workflows.actions.services import Ask, drop_action, preview_decision, request_within
from workflows.runs.choices import StepState
from workflows.runs.models import Run, Step
from workflows.runs.services.cancelling import withdraw_actions
from workflows.runs.services.steering.effects import Change, actions_of, work_of
from workflows.runs.services.steering.fitting import (
    Taker,
    agent_of,
    name_of,
    require_fit,
    takers,
    unfit,
)
from workflows.runs.services.steering.verb import Standing, Verb, refuse
from workflows.tasks.models import Task
from workflows.tasks.services import redirect_task


@dataclass(frozen=True)
class Redirect(Verb):
    """Give the work of a step to one agent of its role, one person or one group; whoever has it loses it.

    To whom it may be given says ``fitting``. An operation that has not begun is taken back and asked anew as
    the other agent: rules and people decide on that as on any other.
    """

    name = "redirect"
    fact = "runs.step_redirected"
    needs_step = True
    shapes = True
    to: Taker | None = None

    def changes(self, at: Standing) -> Sequence[Change]:
        """Return who loses the work, what is taken back, and who is offered it."""
        step, to = at.named, self._to(at)
        self._require_under_way(at)
        if step.action is not None:
            self._require_other_agent(at, step.action)
        else:
            require_fit(at, to)
        how = "is asked to do it instead" if step.action_id else "is offered the task, and nobody else"
        if isinstance(to, Group):
            how = "are offered the task, whoever of them takes it, and nobody else"
        ids = {"step": str(step.pk), "task": str(step.task_id or "")}
        return [*work_of([step]), Change("begins", f"{name_of(to)} {how}.", **ids, who=name_of(to))]

    def carry_out(self, at: Standing) -> None:
        """Take back what was asked for, then the task; record on the step why somebody else has it."""
        step, to = at.named, self._to(at)
        why = f"{at.actor.label} gave it to {name_of(to)}: {at.reason.strip()[:300].rstrip('.')}."[:500]
        if step.action is not None:
            _ask_anew(at, step, step.action, to, why)
            return
        reason = f"The work was given to {name_of(to)}: {at.reason}"
        withdraw_actions(at.actor, [step.pk], reason)
        redirect_task(actor=at.actor, task_id=step.task_id or "", to=to, reason=at.reason)
        withdraw_actions(at.actor, [step.pk], reason)
        Step.objects.filter(pk=step.pk).update(chosen_because=why)

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} gave {at.about} to {name_of(self._to(at))}"

    def before(self, at: Standing) -> Mapping[str, Any]:
        """Return who had it."""
        step = at.named
        had = step.agent.name if step.agent else ""
        holder = step.task.claimed_by if step.task else None
        return {"who": str(holder) if holder else had, "action": str(step.action_id or "")}

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return who is to do it."""
        to = self._to(at)
        return {"who": name_of(to), ("group" if isinstance(to, Group) else "user"): str(to.pk)}

    def _to(self, at: Standing) -> Taker:
        if self.to is None:
            raise unfit(at, "nobody is named who should do it instead")
        return self.to

    def _require_under_way(self, at: Standing) -> None:
        step = at.named
        waits = step.task is not None and step.task.state in Task.WAITING
        if step.state != StepState.RUNNING or not (waits or step.action is not None):
            raise refuse(self.name, at, "nobody is at work on it.", "Only work under way is given to another.")
        begun = [action for action in actions_of([step.pk]) if action.state not in NOT_BEGUN]
        open_ones = [action for action in begun if not action.is_final]
        if open_ones:
            raise refuse(
                self.name,
                at,
                f"{open_ones[0].label} has begun, and nobody knows yet what comes of it.",
                "Wait until it has ended; what is in doubt a person has to resolve first.",
            )

    def _require_other_agent(self, at: Standing, action: Action) -> None:
        to = self._to(at)
        if action.is_final:
            raise refuse(self.name, at, "what it asked for has ended.", "Look at what the run does next.")
        if action.edited_by_id:
            why = "a person changed what it asks for, and another person has to decide on exactly that first."
            raise refuse(self.name, at, why, "Have it decided in the inbox.")
        require_fit(at, to)
        agent = agent_of(to) if isinstance(to, User) else None
        if agent is None or agent.pk == action.agent_id:
            raise unfit(at, f"{name_of(to)} has asked for it already")
        if action.state != State.HELD:
            return  # what it has reserved would count against the other; it is decided when it is asked
        asks = agent.user.as_actor()
        decided = preview_decision(actor=asks, agent=agent, ask=_ask_of(at, action)).decision
        if decided.verdict is Verdict.DENY:
            raise unfit(at, f"{agent.name} would be refused: {decided.sentence}")


def who_could_take(*, actor: Actor, run: Run, step: Step) -> Offer:
    """Return the agents, groups and people that a step may be given to, without whoever has it."""
    at = Standing(actor, run, step)
    if step.task is not None and step.task.claimed_by_id:
        return takers(at, {step.task.claimed_by_id})
    return takers(at, {step.action.agent.user_id} if step.action is not None else ())


def _ask_anew(at: Standing, step: Step, action: Action, to: Taker, why: str) -> None:
    """Take back what one agent asked and let another ask the same. The step hears only of the new one."""
    agent = agent_of(to) if isinstance(to, User) else None
    asked = len(actions_of([step.pk]))
    if agent is None:
        raise RuntimeError("only an agent does an operation")
    drop_action(actor=at.actor, action_id=action.pk, reason=at.reason)
    key = f"step:{step.pk}:{asked + 1}"
    fresh = request_within(actor=agent.user.as_actor(), agent=agent, key=key, ask=_ask_of(at, action))
    if isinstance(fresh, Refusal):
        raise fresh
    if fresh.is_final:
        raise unfit(at, f"{agent.name} was refused: {fresh.sentence}")
    Step.objects.filter(pk=step.pk).update(action=fresh, agent=agent, chosen_because=why)
    action_id: UUID = fresh.pk
    transaction.on_commit(lambda: actions_dispatch.hint_run(action_id))


def _ask_of(at: Standing, action: Action) -> Ask:
    return Ask(
        operation=action.operation_code,
        arguments=action.arguments,
        reason=f"Step {at.named.name} of {at.run.workflow.name}",
        references=dict(action.references),
        correlation_id=str(at.run.pk),
    )
