"""The verbs that the pure machine plans: cancel, retry, rerun, skip, override."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.db.models import QuerySet

from audit.vocabulary import Refusal, RefusalKind
from connectors.policies.schemas import argument_errors
from workflows.runs import engine
from workflows.runs.engine import Plan
from workflows.runs.engine.events import CancelRun, Event, RetryStep
from workflows.runs.engine.events import Override as OverrideEvent
from workflows.runs.engine.events import Rerun as RerunEvent
from workflows.runs.engine.events import Skip as SkipEvent
from workflows.runs.models import Run, Step
from workflows.runs.services.carrying import carry_on
from workflows.runs.services.definitions import definition_of
from workflows.runs.services.look import Look
from workflows.runs.services.picture import Picture, pictures_of
from workflows.runs.services.steering.effects import (
    UNDER_WAY,
    Change,
    actions_of,
    changes_of,
    stays_of,
    undoing_of,
)
from workflows.runs.services.steering.verb import Standing, Verb, refuse
from workflows.runs.services.undoing import view_of


class Planned(Verb):
    """A verb whose plan is the machine's: the preview tells the plan, doing it applies the same plan."""

    why: ClassVar[str]  # what is said to whoever loses work by it

    @abstractmethod
    def event(self, at: Standing) -> Event:
        """Return what the machine is told."""

    def leaves(self, at: Standing) -> QuerySet[Step]:
        """Return the steps whose effects people might think were undone."""
        return Step.objects.filter(pk=at.named.pk)

    def changes(self, at: Standing) -> Sequence[Change]:
        """Return what the plan changes, and what was done and stays."""
        plan, picture = self._plan(at)
        if plan.refused:
            raise refuse(self.name, at, plan.refused)
        found = changes_of(plan, picture)
        told = {change.action for change in found}
        stays = stays_of(self.leaves(at).values_list("pk", flat=True))
        return [*found, *(change for change in stays if change.action not in told)]

    def carry_out(self, at: Standing) -> None:
        """Apply the plan; what can begin begins, unless the run is paused."""
        key = str(at.step.pk) if at.step else ""
        look = Look([at.run], [key] if key else [], actor=at.actor, reason=f"{self.why}: {at.reason}")
        if refused := look.tell(str(at.run.pk), key, self.event(at)):
            raise refuse(self.name, at, refused)
        carry_on(look)

    def _plan(self, at: Standing) -> tuple[Plan, Picture]:
        key = str(at.step.pk) if at.step else ""
        picture = pictures_of([at.run], [key] if key else [])[str(at.run.pk)]
        event = self.event(at)
        return engine.advance(view_of(picture, key, event), event), picture


@dataclass(frozen=True)
class Cancel(Planned):
    """End a run for good: its open tasks and held actions are taken back; what was done stays done."""

    name = "cancel"
    fact = "runs.run_cancelled"
    why = "The run was cancelled"

    def event(self, at: Standing) -> Event:
        """Return what the machine is told."""
        return CancelRun()

    def leaves(self, at: Standing) -> QuerySet[Step]:
        """Return every step: nothing that was done is undone."""
        return Step.objects.filter(run=at.run)

    def changes(self, at: Standing) -> Sequence[Change]:
        """Tell of what is being undone, too: that goes on."""
        return [*super().changes(at), *undoing_of(at.run)]

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} cancelled {at.run.label}"

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return where the run stands then."""
        return {"state": "cancelled"}


class _Again(Planned):
    """What does a step again, as a new generation; the old one is kept."""

    needs_step = True
    why = "The step is done again"

    def leaves(self, at: Standing) -> QuerySet[Step]:
        """Return the step and what was begun after it: all of it may be done again."""
        return Step.objects.filter(run=at.run, pk__gte=at.named.pk)

    def changes(self, at: Standing) -> Sequence[Change]:
        """Refuse to do again what may be on its way into a system right now: it would be done twice."""
        found = super().changes(at)
        under_way = [change for change in found if change.kind == "goes_on"]
        under_way += [
            Change("goes_on", action.label)
            for action in actions_of([at.named.pk])
            if action.state in UNDER_WAY and not under_way
        ]
        if under_way:
            raise refuse(
                self.name,
                at,
                f"what it asked for has begun, and nobody knows yet what comes of it: {under_way[0].sentence}",
                "Wait until it has ended; what is in doubt a person has to resolve first.",
            )
        return found

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return which attempt is made."""
        return {"generation": at.named.generation + 1}


@dataclass(frozen=True)
class Retry(_Again):
    """Let a step go on that waits for an operator: it is done again. An operation that was done is not."""

    name = "retry"
    fact = "runs.run_resumed"

    def chosen(self, run: Run) -> Step:
        """Return the first step of the run that waits for an operator."""
        step = Step.objects.filter(run=run, is_parked=True).order_by("pk").first()
        if step is None:
            raise Refusal(
                "no_incident",
                f"{run.label} was not changed: it is {run.get_state_display().lower()}, not an incident.",
                kind=RefusalKind.CONFLICT,
                next_step="Only a step that waits for an operator can be repeated.",
            )
        return step

    def event(self, at: Standing) -> Event:
        """Return what the machine is told."""
        return RetryStep()

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} let {at.run.label} go on at {at.named.name}"


@dataclass(frozen=True)
class Rerun(_Again):
    """Do a step and all that follows again, as new attempts; what was done before is kept and not undone."""

    name = "rerun"
    fact = "runs.step_rerun"
    shapes = True

    def event(self, at: Standing) -> Event:
        """Return what the machine is told."""
        return RerunEvent()

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} let {at.run.label} do {at.named.name} again, and what follows"


@dataclass(frozen=True)
class _Answered(Planned):
    """What closes a step by hand with an answer: held to the form of whoever would have done it."""

    needs_step = True
    shapes = True
    may_be_empty: ClassVar[bool] = False
    answer: Mapping[str, Any] = field(default_factory=dict)

    def changes(self, at: Standing) -> Sequence[Change]:
        """Return what the plan changes, once the answer fits."""
        if self.answer or not self.may_be_empty:
            require_fitting(at, self.answer)
        return super().changes(at)

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return the answer."""
        return {"answer": dict(self.answer)}


@dataclass(frozen=True)
class Skip(_Answered):
    """Go on as if an open or parked step were done, with this answer or none. Nothing is done for it."""

    name = "skip"
    fact = "runs.step_skipped"
    why = "The step was skipped"
    may_be_empty = True

    def event(self, at: Standing) -> Event:
        """Return what the machine is told."""
        return SkipEvent(dict(self.answer))

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} skipped {at.named.name} of {at.run.label}"

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return where the step stands then."""
        return {"state": "skipped", **super().after(at)}


@dataclass(frozen=True)
class Override(_Answered):
    """Set the answer of a step: an open or parked one goes on with it, a closed one is corrected."""

    name = "override"
    fact = "runs.step_overridden"
    why = "A person gave the answer"

    def event(self, at: Standing) -> Event:
        """Return what the machine is told."""
        return OverrideEvent(dict(self.answer))

    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""
        return f"{at.actor.label} gave the answer of {at.named.name} of {at.run.label}"


def require_fitting(at: Standing, answer: Mapping[str, Any]) -> None:
    """Refuse an answer that does not fit what the node asks of an agent or a person; bound any other."""
    facts = definition_of(at.run.version).nodes[at.named.node].facts
    if errors := argument_errors(facts.get("answer") or facts.get("form") or {}, dict(answer)):
        first = errors[0]
        raise Refusal(
            "invalid_answer",
            f"{at.about} was not changed: {first['pointer'] or 'the answer'}: {first['message']}",
            detail={"errors": errors},
            kind=RefusalKind.INVALID,
            next_step="Give an answer that fits what the step asks for.",
        )
