"""Limits and counters: added and tightened at once, loosened by two people."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.db import transaction

from agents import policies, registry
from agents.decision import expressions
from agents.decision.direction import Direction, direction_of_measure
from agents.decision.facts import MeasureDefinition
from agents.decision.lint import lint_measure
from agents.models import Measure, Rule
from agents.selectors import measure_definition
from agents.services.history import lock_row, stamp
from agents.services.policies.parts import (
    CHANGE_MEASURE,
    MEASURE_FIELDS,
    RuleChange,
    changed_in,
    content_of,
    difference,
    digest_of,
    known,
    propose,
    record,
    refuse_findings,
    with_values,
)
from audit.vocabulary import Actor


def create_measure(*, actor: Actor, content: Mapping[str, Any], reason: str) -> Measure:
    """Add a limit or counter; adding only tightens, so it is instant. ``content``: code and MEASURE_FIELDS."""
    with transaction.atomic():
        policies.require(policies.may_publish_rule(actor))
        policies.require_reason(reason)
        measure = with_values(Measure(), known(content, ("code", *MEASURE_FIELDS)))
        complete_measure(measure)
        stamp(measure, actor=actor, reason=reason).save()
        sentence = f"{actor.label} added the limit {measure.name} ({measure.get_mode_display().lower()})."
        record(actor, "agents.measure_added", measure, sentence, reason, content_of(measure, MEASURE_FIELDS))
        return measure


def limit_as_edited(measure: Measure, edits: Mapping[str, Any]) -> tuple[Direction, MeasureDefinition]:
    """Return what a change of a limit would do, and the limit as it would be; changes nothing.

    ``edits`` of a limit that is not stored: all of it. Raises Refusal ``rule_refused``, ValidationError.
    """
    wanted = with_values(copy.copy(measure), known(edits, ("code", *MEASURE_FIELDS)))
    complete_measure(wanted)
    before = None if measure._state.adding else measure_definition(measure)
    after = measure_definition(wanted)
    return direction_of_measure(before, after, read_by_rules=before is not None and _is_read(measure)), after


def propose_measure_change(
    *, actor: Actor, measure: Measure, changes: Mapping[str, Any], reason: str
) -> RuleChange:
    """Change a limit at once when that only tightens, else open a ChangeRequest for a second person."""
    with transaction.atomic():
        measure = lock_row(Measure, measure.pk)
        policies.require(policies.may_publish_rule(actor))
        policies.require_reason(reason)
        wanted = with_values(copy.copy(measure), known(changes, MEASURE_FIELDS))
        complete_measure(wanted)
        changed = changed_in(measure, wanted, MEASURE_FIELDS)
        if not changed:
            return RuleChange(applied=True, measure=measure)
        direction = direction_of_measure(
            measure_definition(measure), measure_definition(wanted), read_by_rules=_is_read(measure)
        )
        if direction != Direction.LOOSENS:
            return RuleChange(applied=True, measure=write_measure(actor, measure, changed, reason))
        summary = difference(measure, wanted, MEASURE_FIELDS)
        change_request = propose(
            actor, CHANGE_MEASURE, measure, changed, summary, reason, measure_state(measure)
        )
        return RuleChange(applied=False, measure=measure, change_request=change_request)


def complete_measure(measure: Measure) -> None:
    """Check a limit as it would be; outside draft the publishing lints apply."""
    measure.full_clean()
    if measure.mode != Rule.Mode.DRAFT:
        refuse_findings(lint_measure(measure_definition(measure), registry.all_operations()), measure.name)


def write_measure(actor: Actor, measure: Measure, values: Mapping[str, Any], reason: str) -> Measure:
    """Write a change of a limit that may be written, with its event."""
    said = difference(measure, with_values(copy.copy(measure), values), MEASURE_FIELDS)
    with_values(measure, values)
    measure.version += 1
    measure.full_clean()
    stamp(measure, actor=actor, reason=reason).save(update_fields=[*values, "version"])
    sentence = f"{actor.label} changed {said}"
    record(actor, "agents.measure_changed", measure, sentence, reason, content_of(measure, MEASURE_FIELDS))
    return measure


def _is_read(measure: Measure) -> bool:
    conditions = Rule.objects.exclude(mode=Rule.Mode.DRAFT).values_list("condition", flat=True)
    return any(expressions.reads_measure(condition, measure.code) for condition in conditions)


def measure_state(measure: Measure) -> str:
    """Return a digest of a limit as it stands, whoever wrote it."""
    return digest_of(asdict(measure_definition(measure)))
