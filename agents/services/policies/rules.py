"""Rules: added and tightened at once, loosened by two people."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction

from agents import policies, registry
from agents.decision import levels, lines
from agents.decision.direction import Direction, direction_of_rule
from agents.decision.facts import OperationFacts, RuleFacts
from agents.decision.lint import Finding, lint_rule
from agents.decision.patterns import operations_hit
from agents.models import ChangeRequest, Measure, Policy, Rule
from agents.selectors import company_currency, measure_definition, rule_facts
from agents.services.history import lock_row, stamp
from agents.services.policies.parts import (
    CHANGE_RULE,
    FORM_FIELDS,
    REMOVE_RULE,
    RULE_FIELDS,
    RuleChange,
    changed_in,
    content_of,
    difference,
    digest_of,
    known,
    new_version,
    propose,
    record,
    refuse_findings,
    with_values,
)
from audit.services import record_event
from audit.vocabulary import Actor


def create_rule(*, actor: Actor, policy: Policy, content: Mapping[str, Any], reason: str) -> Rule:
    """Add a rule in any mode; adding only tightens, so it is instant. Publishing lints apply outside draft.

    ``content``: any of RULE_FIELDS; with ``field``, ``comparison`` and ``value`` the condition is built.
    Raises Refusal ``rule_refused`` with every finding in its detail; ValidationError for a field.
    """
    with transaction.atomic():
        policy = lock_row(Policy, policy.pk)
        policies.require(policies.may_publish_rule(actor, policy))
        policies.require_reason(reason)
        rule = with_values(Rule(policy=policy), known(content, RULE_FIELDS))
        _complete_rule(rule, content)
        stamp(rule, actor=actor, reason=reason).save()
        new_version(actor, policy, reason)
        sentence = (
            f"{actor.label} added the rule {rule.name} to {policy.name} ({rule.get_mode_display().lower()})."
        )
        record(actor, "agents.rule_added", rule, sentence, reason, content_of(rule, RULE_FIELDS))
        return rule


def preview_rule_change(rule: Rule, edits: Mapping[str, Any]) -> tuple[Direction, str]:
    """Return what a change would do (tighten, loosen, nothing) and its summary in words; changes nothing."""
    wanted = _edited(rule, edits)
    direction = direction_of_rule(rule_facts(rule), rule_facts(wanted), currency=company_currency())
    return direction, difference(rule, wanted, RULE_FIELDS)


def rule_as_edited(rule: Rule, edits: Mapping[str, Any]) -> RuleFacts:
    """Return a rule as it would be with these edits; changes nothing. Raises Refusal ``rule_refused``."""
    return rule_facts(_edited(rule, edits) if edits else rule)


def rule_as_created(policy: Policy, content: Mapping[str, Any]) -> RuleFacts:
    """Return a rule as it would be added; changes nothing. Raises Refusal ``rule_refused``, ValidationError."""
    rule = with_values(Rule(policy=policy), known(content, RULE_FIELDS))
    _complete_rule(rule, content)
    return rule_facts(rule)


def propose_rule_change(*, actor: Actor, rule: Rule, changes: Mapping[str, Any], reason: str) -> RuleChange:
    """Change a rule at once when that only tightens, else open a ChangeRequest for a second person."""
    with transaction.atomic():
        rule = lock_row(Rule, rule.pk)
        policies.require(policies.may_publish_rule(actor, rule.policy))
        policies.require_reason(reason)
        wanted = _edited(rule, changes)
        changed = changed_in(rule, wanted, RULE_FIELDS)
        if not changed:
            return RuleChange(applied=True, rule=rule)
        direction = direction_of_rule(rule_facts(rule), rule_facts(wanted), currency=company_currency())
        if direction != Direction.LOOSENS:
            return RuleChange(applied=True, rule=write_rule(actor, rule, changed, reason))
        return RuleChange(
            applied=False,
            rule=rule,
            change_request=propose(
                actor,
                CHANGE_RULE,
                rule,
                changed,
                difference(rule, wanted, RULE_FIELDS),
                reason,
                rule_state(rule),
            ),
        )


def remove_rule(*, actor: Actor, rule: Rule, reason: str) -> RuleChange:
    """Remove a rule; removing an enforced rule loosens and waits for a second person."""
    with transaction.atomic():
        rule = lock_row(Rule, rule.pk)
        policies.require(policies.may_publish_rule(actor, rule.policy))
        policies.require_reason(reason)
        if direction_of_rule(rule_facts(rule), None) != Direction.LOOSENS:
            delete_rule(actor, rule, reason)
            return RuleChange(applied=True)
        summary = f"Remove the rule {rule.name} of {rule.policy.name}: {rule.sentence or rule.condition}"
        change_request = propose(
            actor, REMOVE_RULE, rule, {"removed": rule.name}, summary, reason, rule_state(rule)
        )
        return RuleChange(applied=False, rule=rule, change_request=change_request)


def write_rule(
    actor: Actor, rule: Rule, values: Mapping[str, Any], reason: str, agreed: ChangeRequest | None = None
) -> Rule:
    """Write a change of a rule that may be written: a new version of its policy, and its event."""
    said = difference(rule, with_values(copy.copy(rule), values), RULE_FIELDS)
    with_values(rule, values)
    rule.version += 1
    rule.full_clean()
    stamp(rule, actor=actor, reason=reason).save(update_fields=[*values, "version"])
    new_version(actor, rule.policy, reason, agreed)
    record(
        actor,
        "agents.rule_changed",
        rule,
        f"{actor.label} changed {said}",
        reason,
        content_of(rule, RULE_FIELDS),
    )
    return rule


def delete_rule(actor: Actor, rule: Rule, reason: str, agreed: ChangeRequest | None = None) -> None:
    """Remove a rule that may be removed: a new version of its policy, and its event."""
    reference, content, policy = rule.as_ref(), content_of(rule, RULE_FIELDS), lock_row(Policy, rule.policy_id)
    stamp(rule, actor=actor, reason=reason).delete()
    new_version(actor, policy, reason, agreed)
    record_event(
        actor=actor,
        verb="agents.rule_removed",
        subject=reference,
        sentence=f"{actor.label} removed the rule {reference.label} of {policy.name}.",
        reason=reason,
        payload=content,
    )


def _edited(rule: Rule, edits: Mapping[str, Any]) -> Rule:
    """Return the rule as it would be; a sentence that the form wrote is written anew."""
    wanted = with_values(copy.copy(rule), known(edits, RULE_FIELDS))
    if "sentence" not in edits and rule.sentence == _built_sentence(rule):
        wanted.sentence = ""
    _complete_rule(wanted, edits)
    return wanted


def has_own_sentence(rule: Rule) -> bool:
    """Tell whether a person wrote the sentence of a rule, and not the form."""
    return rule.sentence != _built_sentence(rule)


def _built_sentence(rule: Rule) -> str:
    currency = company_currency()
    built = lines.as_built(rule_facts(rule), currency)
    return lines.sentence_of(built, currency, rule.verdict) if built else ""


def _complete_rule(rule: Rule, given: Mapping[str, Any]) -> None:
    """Build the condition from the form, or drop the form when the condition was written by hand; then lint."""
    if "condition" in given and not any(given.get(name) for name in FORM_FIELDS):
        rule.field = rule.comparison = rule.value = ""
        rule.also = []
    elif rule.field and rule.comparison:
        _build_from_form(rule)
    elif rule.also:
        refuse_findings([Finding("field", "comparison_invalid", "The first comparison is empty.")], rule.name)
    if not rule.sentence.strip():
        rule.sentence = rule.name
    _read_levels(rule)
    rule.full_clean()
    if rule.mode != Rule.Mode.DRAFT:
        measures = [measure_definition(measure) for measure in Measure.objects.all()]
        refuse_findings(lint_rule(rule_facts(rule), registry.all_operations(), measures), rule.name)


def _build_from_form(rule: Rule) -> None:
    currency = company_currency()
    try:
        rule.also = lines.as_data(lines.further_lines(rule.also))
        built = lines.known(lines.lines_of(rule_facts(rule)), _operations_hit(rule))
        rule.condition = lines.condition_of(built, currency)
        rule.sentence = rule.sentence.strip() or lines.sentence_of(built, currency, rule.verdict)
    except ValueError as error:
        refuse_findings([Finding("value", "comparison_invalid", f"{error}.")], rule.name)


def _read_levels(rule: Rule) -> None:
    """Write the next levels in their one spelling; a group that does not exist could never decide."""
    try:
        read = levels.read_levels(rule.levels)
    except (ValueError, AttributeError, TypeError) as error:
        refuse_findings([Finding("levels", "levels_invalid", f"{error}.".capitalize())], rule.name)
        return
    rule.levels = levels.as_data(read)
    named = {level.group for level in read if level.group}
    known_groups = set(Group.objects.filter(name__in=named, role__isnull=True).values_list("name", flat=True))
    for name in sorted(named - known_groups):
        words = f"There is no group {name!r} of people. Make it first, or name another in next levels."
        refuse_findings([Finding("levels", "group_unknown", words)], rule.name)


def _operations_hit(rule: Rule) -> list[OperationFacts]:
    try:
        return operations_hit(rule.operations, rule.effects, registry.all_operations())
    except ValueError:
        return []


def rule_state(rule: Rule) -> str:
    """Return a digest of a rule as it stands, whoever wrote it."""
    return digest_of(asdict(rule_facts(rule)))
