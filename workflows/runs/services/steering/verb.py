"""The one way in which people steer a run: see what it would do, say why, and do exactly that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import transaction

from agents.models import User
from agents.policies import require_reason
from audit.services import refusals_recorded
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from workflows.runs.models import Intervention, Run, Step
from workflows.runs.services.definitions import definition_of
from workflows.runs.services.moving import lock_run, note, require_open
from workflows.runs.services.steering.effects import Change, Effect


@dataclass(frozen=True, slots=True)
class Standing:
    """A run as a verb finds it, and the step it is about; locked when the verb is carried out."""

    actor: Actor
    run: Run
    step: Step | None = None
    reason: str = ""

    @property
    def about(self) -> str:
        """Return what is steered, as people call it."""
        return f"{self.step.name} of {self.run.label}" if self.step else self.run.label

    @property
    def named(self) -> Step:
        """Return the step; a verb that is about one is never asked without."""
        if self.step is None:
            raise RuntimeError("this verb is about a step")
        return self.step


class Verb(ABC):
    """One thing a person may do to a run. Instances carry what else it needs, e.g. an answer.

    ``name`` is what programs call it, ``fact`` its verb in the ledger. ``shapes``: it decides what the run does
    next, so that whoever does it is behind the later actions of the run and approves none of them.
    """

    name: ClassVar[str]
    fact: ClassVar[str]
    needs_step: ClassVar[bool] = False
    shapes: ClassVar[bool] = False

    @abstractmethod
    def changes(self, at: Standing) -> Sequence[Change]:
        """Return what it would change. Reads only; raises Refusal where it cannot be done."""

    @abstractmethod
    def carry_out(self, at: Standing) -> None:
        """Do it, in the caller's transaction, the run locked and its changes known."""

    @abstractmethod
    def sentence(self, at: Standing) -> str:
        """Return what the ledger says."""

    def keep_out(self, run: Run) -> None:  # noqa: B027 - most verbs need no more than the lock of the run
        """Keep out, until the transaction ends, what must not happen between looking and doing."""

    def chosen(self, run: Run) -> Step | None:
        """Return the step it is about when nobody named one; raise Refusal when there is none."""
        if self.needs_step:
            raise RuntimeError(f"{self.name} is about a step")
        return None

    def before(self, at: Standing) -> Mapping[str, Any]:
        """Return what is about to be changed, for the ledger."""
        return {"state": str(at.step.state), "answer": at.step.answer} if at.step else {"state": at.run.state}

    def after(self, at: Standing) -> Mapping[str, Any]:
        """Return what it is changed to, for the ledger."""
        return {}

    def effect(self, at: Standing) -> Effect:
        """Return everything it would change, as it stands now."""
        return Effect(self.name, tuple(self.changes(at)))


def preview_steering(*, actor: Actor, run: Run, verb: Verb, step: Step | None = None) -> Effect:
    """Return what a verb would change now, and write nothing. Raises Refusal as doing it would."""
    run = Run.objects.select_related("workflow", "version").get(pk=run.pk)
    require_may_steer(actor, run)
    return verb.effect(_standing(actor, run, verb, step))


def steer_run(
    *, actor: Actor, run: Run, verb: Verb, reason: str, step: Step | None = None, seen: str = ""
) -> Effect:
    """Do something to a run or a step of it; return what it changed, as it was found under the lock.

    With ``seen``, the name of a preview, it is done only if that is still what it would change: else Refusal
    ``changed_meanwhile``, with the present effect as its detail. Other refusals: not_permitted, reason_missing,
    run_over, and what the verb itself says (``cannot_<verb>``).
    """
    with refusals_recorded(actor=actor, subject=run.as_ref(), **run.event_refs()):
        return steer_within(actor=actor, run=run, verb=verb, reason=reason, step=step, seen=seen)


@transaction.atomic
def steer_within(
    *, actor: Actor, run: Run, verb: Verb, reason: str, step: Step | None = None, seen: str = ""
) -> Effect:
    """Do the same as a part of something else, in the caller's transaction; the caller records a refusal."""
    run = lock_run(run.pk)
    require_may_steer(actor, run)
    _require_reason(reason, verb, run)
    verb.keep_out(run)
    at = _standing(actor, run, verb, step, reason)
    effect = verb.effect(at)
    _require_as_seen(effect, seen, at)
    _record(verb, at, effect)
    verb.carry_out(at)
    return effect


def _require_reason(reason: str, verb: Verb, run: Run) -> None:
    """Refuse to do it without a reason; the refusal is on record, and says what was asked for."""
    try:
        require_reason(reason)
    except Refusal as refusal:
        refusal.message = f"{verb.name.capitalize()} of {run.label}: {refusal.message}"
        raise


def refuse(verb: str, at: Standing, why: str, next_step: str = "", **detail: Any) -> Refusal:
    """Return the refusal of a verb that cannot be done as things stand."""
    return Refusal(
        f"cannot_{verb}",
        f"{at.about} was not changed: {why}",
        kind=RefusalKind.CONFLICT,
        detail=detail,
        next_step=next_step or "Look at the run as it is now, and choose again.",
    )


def may_steer(user: User, run: Run) -> bool:
    """Say whether a person may steer a run: all of them, or this one."""
    return bool(user.has_perm("runs.steer_run") or user.has_perm("runs.steer_run", run))


def require_may_steer(actor: Actor, run: Run) -> None:
    """Refuse whoever may not steer this run; agents never may."""
    user = User.objects.filter(pk=actor.id).first() if actor.kind is ActorKind.PERSON else None
    if user is None or not may_steer(user, run):
        raise Refusal(
            "not_permitted",
            f"{actor.label} may not steer {run.label}.",
            next_step="Ask an operator.",
        )


def _standing(actor: Actor, run: Run, verb: Verb, step: Step | None, reason: str = "") -> Standing:
    require_open(run)
    step = step or verb.chosen(run)
    if step is None:
        return Standing(actor, run, None, reason)
    found = Step.objects.select_related("task", "action", "agent").filter(pk=step.pk, run=run).first()
    if found is None:
        raise Refusal("not_found", f"{run.label} has no step {step.pk}.", kind=RefusalKind.NOT_FOUND)
    at = Standing(actor, run, found, reason)
    _require_known(verb, at)
    _require_newest(verb, at)
    return at


def _require_known(verb: Verb, at: Standing) -> None:
    """What ended before a migration may be of a node that the new version does not have: it stays as it was."""
    if not at.run.is_compensating and at.named.node not in definition_of(at.run.version).nodes:
        why = f"version {at.run.version.number} of its workflow, which the run follows now, has no such step."
        raise refuse(verb.name, at, why, "Choose a step that it has.")


def _require_newest(verb: Verb, at: Standing) -> None:
    """What was done again is kept as it was: only the newest attempt is steered."""
    step = at.named
    if at.run.is_compensating:
        return  # every attempt is undone for itself
    same = Step.objects.filter(run=at.run, node=step.node, frame=step.frame_id, index=step.index)
    newest = same.order_by("-generation").first()
    if newest is not None and newest.pk != step.pk:
        raise refuse(
            verb.name, at, "it was done again since.", "Name its newest attempt.", newest=str(newest.pk)
        )


def _require_as_seen(effect: Effect, seen: str, at: Standing) -> None:
    if seen and seen != effect.seen:
        raise Refusal(
            "changed_meanwhile",
            f"{at.about} was not changed: it is not as it was when you looked.",
            kind=RefusalKind.CONFLICT,
            detail={"effect": {"verb": effect.verb, "seen": effect.seen, "changes": effect.as_data()}},
            next_step="Look at what it would change now, and decide again.",
        )


def _record(verb: Verb, at: Standing, effect: Effect) -> None:
    changes = effect.as_data()
    note(
        actor=at.actor,
        run=at.run,
        verb=verb.fact,
        sentence=verb.sentence(at),
        reason=at.reason,
        payload={
            "step": str(at.step.pk) if at.step else "",
            "before": dict(verb.before(at)),
            "after": dict(verb.after(at)),
            "changes": changes,
        },
    )
    Intervention.objects.create(
        run=at.run, step=at.step, verb=verb.name, by_id=at.actor.id, reason=at.reason, shapes=verb.shapes,
        changes=changes,
    )  # fmt: skip
