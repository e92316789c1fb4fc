"""Give the work of a step to another agent or person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from agents.decision import Verdict
from agents.models import Agent, Department, User
from agents.selectors import agent_facts
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.actions import dispatch as actions_dispatch
from workflows.actions.choices import NOT_BEGUN, State
from workflows.actions.models import Action
from workflows.actions.services import Ask, drop_action, preview_decision, request_within
from workflows.runs import engine, selectors
from workflows.runs.choices import StepState
from workflows.runs.models import Run, Step
from workflows.runs.services.cancelling import withdraw_actions
from workflows.runs.services.definitions import definition_of
from workflows.runs.services.steering.effects import Change, actions_of, work_of
from workflows.runs.services.steering.verb import Standing, Verb, refuse
from workflows.tasks.models import Task
from workflows.tasks.services import redirect_task


@dataclass(frozen=True)
class Redirect(Verb):
    """Give the work of a step to one agent of its role, or to one person; whoever has it loses it.

    Work for people stays with people of its groups. An operation that has not begun is taken back and asked
    anew as the other agent: rules and people decide on that as on any other.
    """

    name = "redirect"
    fact = "runs.step_redirected"
    needs_step = True
    shapes = True
    to: User | None = None

    def changes(self, at: Standing) -> Sequence[Change]:
        """Return who loses the work, what is taken back, and who is offered it."""
        step, to = at.named, self._to(at)
        self._require_under_way(at)
        if step.action is not None:
            self._require_other_agent(at, step.action)
        else:
            _require_fit(self.name, at, to)
        how = "is asked to do it instead" if step.action_id else "is offered the task, and nobody else"
        ids = {"step": str(step.pk), "task": str(step.task_id or "")}
        return [*work_of([step]), Change("begins", f"{_named(to)} {how}.", **ids, who=_named(to))]

    def carry_out(self, at: Standing) -> None:
        """Take back what was asked for, then the task; record on the step why somebody else has it."""
        step, to = at.named, self._to(at)
        why = f"{at.actor.label} gave it to {_named(to)}: {at.reason.strip()[:300].rstrip('.')}."[:500]
        if step.action is not None:
            _ask_anew(at, step, step.action, to, why)
            return
        reason = f"The work was given to {_named(to)}: {at.reason}"
        withdraw_actions(at.actor, [step.pk], reason)
        redirect_task(actor=at.actor, task_id=step.task_id or "", to=to, reason=at.reason)
        withdraw_actions(at.actor, [step.pk], reason)
        Step.objects.filter(pk=step.pk).update(chosen_because=why)

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} gave {at.about} to {_named(self._to(at))}"

    def before(self, at: Standing) -> Mapping[str, Any]:
        """Return who had it."""
        step = at.named
        had = step.agent.name if step.agent else ""
        holder = step.task.claimed_by if step.task else None
        return {"who": str(holder) if holder else had, "action": str(step.action_id or "")}

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return who is to do it."""
        return {"who": _named(self._to(at)), "user": str(self._to(at).pk)}

    def _to(self, at: Standing) -> User:
        if self.to is None:
            raise _unfit(at, "nobody is named who should do it instead")
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
        _require_fit(self.name, at, to)
        agent = _agent_of(to)
        if agent is None or agent.pk == action.agent_id:
            raise _unfit(at, f"{_named(to)} has asked for it already")
        if action.state != State.HELD:
            return  # what it has reserved would count against the other; it is decided when it is asked
        decided = preview_decision(actor=to.as_actor(), agent=agent, ask=_ask_of(at, action)).decision
        if decided.verdict is Verdict.DENY:
            raise _unfit(at, f"{agent.name} would be refused: {decided.sentence}")


def who_could_take(*, actor: Actor, run: Run, step: Step) -> list[User]:
    """Return the agents and people that a step may be given to, agents first, whoever has it included."""
    at = Standing(actor, run, step)
    node = definition_of(run.version).nodes[step.node]
    agents = User.objects.filter(agent__role__code=node.facts.get("role", "")).order_by("agent__name")
    people = User.objects.filter(kind=User.Kind.PERSON, groups__in=selectors.groups_of_people()).distinct()
    return [user for user in (*agents, *people.order_by("username")) if _is_fit(at, user)]


def _is_fit(at: Standing, to: User) -> bool:
    try:
        _require_fit(Redirect.name, at, to)
    except Refusal:
        return False
    return True


def _require_fit(verb: str, at: Standing, to: User) -> None:
    """Refuse whoever the node does not mean: another role, a braked agent, a person outside its groups."""
    node = definition_of(at.run.version).nodes[at.named.node]
    if not to.is_active:
        raise _unfit(at, f"{_named(to)} has no active account")
    if to.is_agent:
        _require_fit_agent(at, node, to)
    elif node.kind == "operation":
        raise _unfit(at, "only an agent does an operation")
    else:
        _require_fit_person(at, node, to)


def _require_fit_agent(at: Standing, node: engine.Node, to: User) -> None:
    agent = _agent_of(to)
    if node.kind not in ("agent", "operation") or agent is None:
        raise _unfit(at, "work for people stays with people")
    if agent.role.code != node.facts["role"]:
        raise _unfit(at, f"{agent.name} does not have the role {node.facts['role']}")
    if agent.lifecycle != Agent.Lifecycle.ACTIVE or agent.brake != Agent.Brake.NONE:
        raise _unfit(at, f"{agent.name} may not work now")
    if lacking := sorted(set(node.facts.get("needs", ())) - set(agent.labels)):
        raise _unfit(at, f"{agent.name} lacks the label {', '.join(lacking)}")
    code = node.facts.get("department", "")
    department = Department.objects.filter(code=code).first() if code else None
    if code and (department is None or str(department.pk) not in agent_facts(agent).department_ids):
        raise _unfit(at, f"{agent.name} does not work in {code}")


def _require_fit_person(at: Standing, node: engine.Node, to: User) -> None:
    groups = selectors.groups_of_people()
    if node.kind == "human":
        groups = groups.filter(name__in=node.facts["groups"])
    if not to.groups.filter(pk__in=groups.values("pk")).exists():
        whom = " or ".join(node.facts.get("groups", ())) or "any group that work is given to"
        raise _unfit(at, f"{_named(to)} does not belong to {whom}")


def _ask_anew(at: Standing, step: Step, action: Action, to: User, why: str) -> None:
    """Take back what one agent asked and let another ask the same. The step hears only of the new one."""
    agent, asked = _agent_of(to), len(actions_of([step.pk]))
    if agent is None:
        raise RuntimeError("only an agent does an operation")
    drop_action(actor=at.actor, action_id=action.pk, reason=at.reason)
    key = f"step:{step.pk}:{asked + 1}"
    fresh = request_within(actor=to.as_actor(), agent=agent, key=key, ask=_ask_of(at, action))
    if isinstance(fresh, Refusal):
        raise fresh
    if fresh.is_final:
        raise _unfit(at, f"{agent.name} was refused: {fresh.sentence}")
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


def _agent_of(user: User) -> Agent | None:
    return Agent.objects.select_related("role", "department", "user").filter(user=user).first()


def _named(user: User) -> str:
    agent = _agent_of(user) if user.is_agent else None
    return agent.name if agent else str(user)


def _unfit(at: Standing, why: str) -> Refusal:
    return Refusal(
        "cannot_take_it",
        f"{at.about} was not given to anybody else: {why}.",
        kind=RefusalKind.CONFLICT,
        next_step="Choose an agent of its role that may work, or a person of its groups.",
    )
