"""How every trigger is kept: who may, what is checked before, what is on record after."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from django.core.exceptions import ValidationError

from agents import policies
from agents.services.history import stamp
from audit.services import record_event
from audit.vocabulary import Actor
from workflows.runs import engine
from workflows.runs.models import Workflow
from workflows.runs.services import signals_of
from workflows.triggers.models import Trigger
from workflows.triggers.policies.mapping import Texts, misfits, problems

FIELDS = ("name", "workflow", "signal", "condition", "give", "key", "is_enabled")
T = TypeVar("T", bound=Trigger)


def keep(
    trigger: T,
    *,
    actor: Actor,
    values: Mapping[str, Any],
    reason: str,
    fields: Collection[str],
    names: Collection[str],
) -> T:
    """Fill in, check, save and record one trigger, whose row is locked if there is one.

    It acts without anybody who could be refused, so that whoever keeps it must hold the right to start that
    workflow, and to send a signal the right to steer runs. ``names`` is what its CEL may read. Raises Refusal,
    ValidationError by field.
    """
    before = trigger.workflow if trigger.workflow_id else None
    for name in fields:
        if name in values:
            setattr(trigger, name, values[name])
    for workflow in {before, trigger.workflow if trigger.workflow_id else None} - {None}:
        policies.require(
            policies.may(actor, "runs.start_workflow", f"let something start {workflow}", workflow)
        )
    if trigger.signal:
        policies.require(
            policies.may(actor, "runs.steer_run", f"let something signal runs of {trigger.workflow}")
        )
    trigger.full_clean(exclude=["created_at"])
    _require_sense(trigger, names)
    stamp(trigger, actor=actor, reason=reason).save()
    record_event(
        actor=actor,
        verb="triggers.trigger_saved",
        subject=trigger.as_ref(),
        sentence=f"{actor.label} lets the {trigger._meta.verbose_name} {trigger.name} start {trigger.workflow}"
        if trigger.is_enabled
        else f"{actor.label} has the {trigger._meta.verbose_name} {trigger.name} start nothing",
        reason=reason,
        code="on" if trigger.is_enabled else "off",
    )
    return trigger


def require_may(actor: Actor, model: type[Trigger], reason: str) -> None:
    """Raise Refusal unless the actor may keep triggers of this kind and says why."""
    policies.require(
        policies.may(actor, f"triggers.change_{model._meta.model_name}", "change what starts workflows")
    )
    policies.require_reason(reason)


def texts_of(trigger: Trigger) -> Texts:
    """Return the CEL texts of a trigger."""
    return Texts(trigger.condition, trigger.give, trigger.key)


def schema_of(workflow: Workflow) -> Mapping[str, Any] | None:
    """Return the schema of the input of the version in force, None when there is none yet."""
    return engine.parse(workflow.current.content).input if workflow.current else None


def _wrong_of_signal(trigger: Trigger) -> dict[str, list[str]]:
    wrong: dict[str, list[str]] = {}
    current = trigger.workflow.current
    names = signals_of(engine.parse(current.content)) if current else None
    if names is not None and trigger.signal not in names:
        there = ", ".join(sorted(names)) or "none"
        wrong["signal"] = [f"No step of {trigger.workflow} waits for it; there is {there}."]
    if not trigger.key:
        wrong["key"] = ["Say which run is told: the key it was started with."]
    return wrong


def _require_sense(trigger: Trigger, names: Collection[str]) -> None:
    if not isinstance(trigger.give, dict):
        raise ValidationError({"give": "Write a JSON object: a CEL text for each member of the input."})
    wrong: dict[str, list[str]] = {}
    for field, words in problems(texts_of(trigger), names):
        wrong.setdefault(field, []).append(words)
    schema = schema_of(trigger.workflow)
    if trigger.signal:
        wrong |= _wrong_of_signal(trigger)
    elif schema is not None and (found := list(misfits(trigger.give, schema))):
        wrong.setdefault("give", []).extend(found)
    if wrong:
        raise ValidationError(wrong)
