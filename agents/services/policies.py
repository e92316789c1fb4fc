"""Policies, rules and limits: tightening is instant, loosening waits for a second person."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import rfc8785
from django.contrib.auth.models import Group
from django.db import models, transaction

from agents import policies, registry
from agents.decision import expressions, lines
from agents.decision.direction import Direction, direction_of_measure, direction_of_rule
from agents.decision.facts import MeasureDefinition, OperationFacts, RuleFacts
from agents.decision.lint import Finding, lint_measure, lint_rule
from agents.decision.patterns import pattern_matches
from agents.models import ChangeRequest, Measure, Policy, PolicyScope, PolicyVersion, Rule
from agents.selectors import company_currency, measure_definition, rule_facts
from agents.services import changes
from agents.services.history import lock_row, stamp
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind

CHANGE_RULE = "agents.rule.change"
REMOVE_RULE = "agents.rule.remove"
CHANGE_MEASURE = "agents.measure.change"
MOVE_POLICY = "agents.policy.move"

RULE_FIELDS = (
    "name", "sentence", "operations", "effects", "field", "comparison", "value", "also", "condition",
    "verdict", "approver_group", "quorum", "note", "redact", "mode",
    "remind_minutes", "escalate_minutes", "escalate_to",
)  # fmt: skip
MEASURE_FIELDS = (
    "name", "scope_kind", "scope_id", "operations", "key", "amount", "unit", "window", "window_seconds",
    "ceiling", "on_exceed", "read_for", "read_key", "mode",
)  # fmt: skip
FORM_FIELDS = ("field", "comparison", "value", "also")
G = TypeVar("G", Rule, Measure)


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What became of a proposed change: applied at once, or waiting as ``change_request``."""

    applied: bool
    rule: Rule | None = None
    measure: Measure | None = None
    policy: Policy | None = None
    change_request: ChangeRequest | None = None


# --- Policies.


def create_policy(
    *,
    actor: Actor,
    code: str,
    name: str,
    scope_kind: str = "company",
    scope_id: str = "",
    purpose: str = "",
    reason: str,
) -> Policy:
    """Create an empty policy; a policy without rules permits nothing by itself."""
    with transaction.atomic():
        policies.require(policies.may_publish_rule(actor))
        policies.require_reason(reason)
        policy = Policy(code=code, name=name, scope_kind=scope_kind, scope_id=scope_id, purpose=purpose)
        policy.full_clean()
        stamp(policy, actor=actor, reason=reason).save()
        _new_version(actor, policy, reason)
        _record(actor, "agents.policy_created", policy, f"{actor.label} created the policy {name}.", reason)
        return policy


def describe_policy(*, actor: Actor, policy: Policy, name: str, purpose: str, reason: str) -> Policy:
    """Change what a policy is called and what it is for: words only, no authority."""
    with transaction.atomic():
        policy = lock_row(Policy, policy.pk)
        policies.require(policies.may_publish_rule(actor, policy))
        policies.require_reason(reason)
        policy.name, policy.purpose = name, purpose
        policy.full_clean()
        stamp(policy, actor=actor, reason=reason).save(update_fields=["name", "purpose"])
        sentence = f"{actor.label} changed the name or purpose of the policy {policy.name}."
        _record(actor, "agents.policy_described", policy, sentence, reason, {"name": name, "purpose": purpose})
        return policy


def propose_policy_move(
    *, actor: Actor, policy: Policy, scope_kind: str, scope_id: str = "", reason: str
) -> RuleChange:
    """Bind others with a policy: the whole company at once, anybody less by a second person."""
    with transaction.atomic():
        policy = lock_row(Policy, policy.pk)
        policies.require(policies.may_publish_rule(actor, policy))
        policies.require_reason(reason)
        moved = copy.copy(policy)
        moved.scope_kind, moved.scope_id = scope_kind, scope_id
        moved.full_clean()
        if not move_waits(policy, scope_kind, scope_id):
            return RuleChange(applied=True, policy=_move(actor, policy, scope_kind, scope_id, reason))
        summary = f"Let the policy {policy.name} bind {moved.get_scope_kind_display().lower()} only."
        change_request = changes.propose_change(
            actor=actor,
            kind=MOVE_POLICY,
            target=policy.as_ref(),
            payload={"scope_kind": scope_kind, "scope_id": scope_id},
            summary=summary,
            reason=reason,
            target_version=_policy_state(policy),
        )
        return RuleChange(applied=False, policy=policy, change_request=change_request)


def move_waits(policy: Policy, scope_kind: str, scope_id: str = "") -> bool:
    """Tell whether binding others needs a second person: whoever a policy leaves is freed of its rules."""
    if scope_kind == PolicyScope.COMPANY or (scope_kind, scope_id) == (policy.scope_kind, policy.scope_id):
        return False
    return policy.rules.filter(mode=Rule.Mode.ENFORCED).exists()


def _move(actor: Actor, policy: Policy, scope_kind: str, scope_id: str, reason: str) -> Policy:
    policy.scope_kind, policy.scope_id = scope_kind, scope_id
    policy.full_clean()
    stamp(policy, actor=actor, reason=reason).save(update_fields=["scope_kind", "scope_id"])
    _new_version(actor, policy, reason)
    _record(actor, "agents.policy_moved", policy, f"{actor.label} changed whom {policy.name} binds.", reason)
    return policy


# --- Rules.


def create_rule(*, actor: Actor, policy: Policy, content: Mapping[str, Any], reason: str) -> Rule:
    """Add a rule in any mode; adding only tightens, so it is instant. Publishing lints apply outside draft.

    ``content``: any of RULE_FIELDS; with ``field``, ``comparison`` and ``value`` the condition is built.
    Raises Refusal ``rule_refused`` with every finding in its detail; ValidationError for a field.
    """
    with transaction.atomic():
        policy = lock_row(Policy, policy.pk)
        policies.require(policies.may_publish_rule(actor, policy))
        policies.require_reason(reason)
        rule = _with(Rule(policy=policy), _known(content, RULE_FIELDS))
        _complete_rule(rule, content)
        stamp(rule, actor=actor, reason=reason).save()
        _new_version(actor, policy, reason)
        sentence = (
            f"{actor.label} added the rule {rule.name} to {policy.name} ({rule.get_mode_display().lower()})."
        )
        _record(actor, "agents.rule_added", rule, sentence, reason, _content(rule, RULE_FIELDS))
        return rule


def preview_rule_change(rule: Rule, edits: Mapping[str, Any]) -> tuple[Direction, str]:
    """Return what a change would do (tighten, loosen, nothing) and its summary in words; changes nothing."""
    wanted = _edited(rule, edits)
    direction = direction_of_rule(rule_facts(rule), rule_facts(wanted), currency=company_currency())
    return direction, _difference(rule, wanted, RULE_FIELDS)


def rule_as_edited(rule: Rule, edits: Mapping[str, Any]) -> RuleFacts:
    """Return a rule as it would be with these edits; changes nothing. Raises Refusal ``rule_refused``."""
    return rule_facts(_edited(rule, edits) if edits else rule)


def rule_as_created(policy: Policy, content: Mapping[str, Any]) -> RuleFacts:
    """Return a rule as it would be added; changes nothing. Raises Refusal ``rule_refused``, ValidationError."""
    rule = _with(Rule(policy=policy), _known(content, RULE_FIELDS))
    _complete_rule(rule, content)
    return rule_facts(rule)


def propose_rule_change(*, actor: Actor, rule: Rule, changes: Mapping[str, Any], reason: str) -> RuleChange:
    """Change a rule at once when that only tightens, else open a ChangeRequest for a second person."""
    with transaction.atomic():
        rule = lock_row(Rule, rule.pk)
        policies.require(policies.may_publish_rule(actor, rule.policy))
        policies.require_reason(reason)
        wanted = _edited(rule, changes)
        changed = _changed(rule, wanted, RULE_FIELDS)
        if not changed:
            return RuleChange(applied=True, rule=rule)
        direction = direction_of_rule(rule_facts(rule), rule_facts(wanted), currency=company_currency())
        if direction != Direction.LOOSENS:
            return RuleChange(applied=True, rule=_write_rule(actor, rule, changed, reason))
        return RuleChange(
            applied=False,
            rule=rule,
            change_request=_propose(
                actor,
                CHANGE_RULE,
                rule,
                changed,
                _difference(rule, wanted, RULE_FIELDS),
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
            _delete_rule(actor, rule, reason)
            return RuleChange(applied=True)
        summary = f"Remove the rule {rule.name} of {rule.policy.name}: {rule.sentence or rule.condition}"
        change_request = _propose(
            actor, REMOVE_RULE, rule, {"removed": rule.name}, summary, reason, rule_state(rule)
        )
        return RuleChange(applied=False, rule=rule, change_request=change_request)


def _write_rule(actor: Actor, rule: Rule, values: Mapping[str, Any], reason: str) -> Rule:
    said = _difference(rule, _with(copy.copy(rule), values), RULE_FIELDS)
    _with(rule, values)
    rule.version += 1
    rule.full_clean()
    stamp(rule, actor=actor, reason=reason).save(update_fields=[*values, "version"])
    _new_version(actor, rule.policy, reason)
    _record(
        actor, "agents.rule_changed", rule, f"{actor.label} changed {said}", reason, _content(rule, RULE_FIELDS)
    )
    return rule


def _delete_rule(actor: Actor, rule: Rule, reason: str) -> None:
    reference, content, policy = rule.as_ref(), _content(rule, RULE_FIELDS), lock_row(Policy, rule.policy_id)
    stamp(rule, actor=actor, reason=reason).delete()
    _new_version(actor, policy, reason)
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
    wanted = _with(copy.copy(rule), _known(edits, RULE_FIELDS))
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
    hit = _operations_hit(rule)
    if "condition" in given and not any(given.get(name) for name in FORM_FIELDS):
        rule.field = rule.comparison = rule.value = ""
        rule.also = []
    elif rule.field and rule.comparison:
        _build_from_form(rule, hit)
    elif rule.also:
        _refuse_findings([Finding("field", "comparison_invalid", "The first comparison is empty.")], rule.name)
    if not rule.sentence.strip():
        rule.sentence = rule.name
    rule.full_clean()
    if rule.mode != Rule.Mode.DRAFT:
        measures = [measure_definition(measure) for measure in Measure.objects.all()]
        _refuse_findings(lint_rule(rule_facts(rule), registry.all_operations(), measures), rule.name)


def _build_from_form(rule: Rule, operations: Sequence[OperationFacts]) -> None:
    currency = company_currency()
    try:
        rule.also = lines.as_data(lines.further_lines(rule.also))
        built = lines.known(lines.lines_of(rule_facts(rule)), operations)
        rule.condition = lines.condition_of(built, currency)
        rule.sentence = rule.sentence.strip() or lines.sentence_of(built, currency, rule.verdict)
    except ValueError as error:
        _refuse_findings([Finding("value", "comparison_invalid", f"{error}.")], rule.name)


def _operations_hit(rule: Rule) -> list[OperationFacts]:
    try:
        return [
            operation
            for operation in registry.all_operations()
            if pattern_matches(rule.operations, operation.code)
            and (not rule.effects or operation.effect in rule.effects)
        ]
    except ValueError:
        return []


def _refuse_findings(findings: Sequence[Finding], name: str) -> None:
    if findings:
        raise Refusal(
            "rule_refused",
            f"{name or 'This'} was not published: {findings[0].message}",
            detail={"findings": [asdict(finding) for finding in findings]},
            kind=RefusalKind.INVALID,
            next_step="Correct it, or keep it as a draft.",
        )


# --- Limits.


def create_measure(*, actor: Actor, content: Mapping[str, Any], reason: str) -> Measure:
    """Add a limit or counter; adding only tightens, so it is instant. ``content``: code and MEASURE_FIELDS."""
    with transaction.atomic():
        policies.require(policies.may_publish_rule(actor))
        policies.require_reason(reason)
        measure = _with(Measure(), _known(content, ("code", *MEASURE_FIELDS)))
        _complete_measure(measure)
        stamp(measure, actor=actor, reason=reason).save()
        sentence = f"{actor.label} added the limit {measure.name} ({measure.get_mode_display().lower()})."
        _record(actor, "agents.measure_added", measure, sentence, reason, _content(measure, MEASURE_FIELDS))
        return measure


def limit_as_edited(measure: Measure, edits: Mapping[str, Any]) -> tuple[Direction, MeasureDefinition]:
    """Return what a change of a limit would do, and the limit as it would be; changes nothing.

    ``edits`` of a limit that is not stored: all of it. Raises Refusal ``rule_refused``, ValidationError.
    """
    wanted = _with(copy.copy(measure), _known(edits, ("code", *MEASURE_FIELDS)))
    _complete_measure(wanted)
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
        wanted = _with(copy.copy(measure), _known(changes, MEASURE_FIELDS))
        _complete_measure(wanted)
        changed = _changed(measure, wanted, MEASURE_FIELDS)
        if not changed:
            return RuleChange(applied=True, measure=measure)
        direction = direction_of_measure(
            measure_definition(measure), measure_definition(wanted), read_by_rules=_is_read(measure)
        )
        if direction != Direction.LOOSENS:
            return RuleChange(applied=True, measure=_write_measure(actor, measure, changed, reason))
        summary = _difference(measure, wanted, MEASURE_FIELDS)
        change_request = _propose(
            actor, CHANGE_MEASURE, measure, changed, summary, reason, measure_state(measure)
        )
        return RuleChange(applied=False, measure=measure, change_request=change_request)


def _complete_measure(measure: Measure) -> None:
    measure.full_clean()
    if measure.mode != Rule.Mode.DRAFT:
        _refuse_findings(lint_measure(measure_definition(measure), registry.all_operations()), measure.name)


def _write_measure(actor: Actor, measure: Measure, values: Mapping[str, Any], reason: str) -> Measure:
    said = _difference(measure, _with(copy.copy(measure), values), MEASURE_FIELDS)
    _with(measure, values)
    measure.version += 1
    measure.full_clean()
    stamp(measure, actor=actor, reason=reason).save(update_fields=[*values, "version"])
    sentence = f"{actor.label} changed {said}"
    _record(actor, "agents.measure_changed", measure, sentence, reason, _content(measure, MEASURE_FIELDS))
    return measure


def _is_read(measure: Measure) -> bool:
    conditions = Rule.objects.exclude(mode=Rule.Mode.DRAFT).values_list("condition", flat=True)
    return any(expressions.reads_measure(condition, measure.code) for condition in conditions)


# --- What a second person applies.


def register_change_kinds() -> None:
    """Tell the registry how changes of rules and limits are applied, and what makes one stale."""
    registry.register_change_kind(CHANGE_RULE, _apply_rule_change, _present_rule)
    registry.register_change_kind(REMOVE_RULE, _apply_rule_removal, _present_rule)
    registry.register_change_kind(CHANGE_MEASURE, _apply_measure_change, _present_measure)
    registry.register_change_kind(MOVE_POLICY, _apply_move, _present_policy)


def rule_state(rule: Rule) -> str:
    """Return a digest of a rule as it stands, whoever wrote it."""
    return _digest(asdict(rule_facts(rule)))


def measure_state(measure: Measure) -> str:
    """Return a digest of a limit as it stands, whoever wrote it."""
    return _digest(asdict(measure_definition(measure)))


def _policy_state(policy: Policy) -> str:
    return _digest({"kind": policy.scope_kind, "id": policy.scope_id, "version": policy.version})


def _present_rule(change_request: ChangeRequest) -> str:
    return rule_state(lock_row(Rule, change_request.target_id))


def _present_measure(change_request: ChangeRequest) -> str:
    return measure_state(lock_row(Measure, change_request.target_id))


def _present_policy(change_request: ChangeRequest) -> str:
    return _policy_state(lock_row(Policy, change_request.target_id))


def _apply_rule_change(actor: Actor, change_request: ChangeRequest) -> None:
    rule = lock_row(Rule, change_request.target_id)
    values = _from_payload(change_request.payload)
    if (wanted := _with(copy.copy(rule), values)).mode != Rule.Mode.DRAFT:
        measures = [measure_definition(measure) for measure in Measure.objects.all()]
        _refuse_findings(lint_rule(rule_facts(wanted), registry.all_operations(), measures), wanted.name)
    _write_rule(actor, rule, values, change_request.reason)


def _apply_rule_removal(actor: Actor, change_request: ChangeRequest) -> None:
    _delete_rule(actor, lock_row(Rule, change_request.target_id), change_request.reason)


def _apply_measure_change(actor: Actor, change_request: ChangeRequest) -> None:
    measure = lock_row(Measure, change_request.target_id)
    _complete_measure(_with(copy.copy(measure), change_request.payload))
    _write_measure(actor, measure, change_request.payload, change_request.reason)


def _apply_move(actor: Actor, change_request: ChangeRequest) -> None:
    policy = lock_row(Policy, change_request.target_id)
    wanted = change_request.payload
    _move(actor, policy, wanted["scope_kind"], wanted["scope_id"], change_request.reason)


# --- The parts.


def _propose(
    actor: Actor,
    kind: str,
    target: Rule | Measure,
    values: Mapping[str, Any],
    summary: str,
    reason: str,
    state: str,
) -> ChangeRequest:
    return changes.propose_change(
        actor=actor,
        kind=kind,
        target=target.as_ref(),
        payload={name: _plain(value) for name, value in values.items()},
        summary=summary,
        reason=reason,
        target_version=state,
    )


def _known(given: Mapping[str, Any], allowed: Sequence[str]) -> dict[str, Any]:
    if unknown := sorted(set(given) - set(allowed)):
        raise Refusal("field_unknown", f"{', '.join(unknown)} cannot be set.", kind=RefusalKind.INVALID)
    return _from_payload(given)


def _from_payload(values: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(values)
    for name in ("approver_group", "escalate_to"):
        group = found.get(name)
        if group is not None and not isinstance(group, Group):
            found[name] = lock_row(Group, group)
    return found


def _with(instance: G, values: Mapping[str, Any]) -> G:
    for name, value in values.items():
        setattr(instance, name, value)
    return instance


def _changed(old: Rule | Measure, new: Rule | Measure, fields: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(new, name) for name in fields if getattr(new, name) != getattr(old, name)}


def _plain(value: Any) -> Any:
    return value.pk if isinstance(value, models.Model) else value


def _content(instance: Rule | Measure, fields: Sequence[str]) -> dict[str, Any]:
    return {name: _plain(getattr(instance, name)) for name in fields}


def _difference(old: Rule | Measure, new: Rule | Measure, fields: Sequence[str]) -> str:
    """Return a change in words: ``the rule Large invoices: value 10000.00 becomes 5000.00.``"""
    kind = "the rule" if isinstance(old, Rule) else "the limit"
    built = isinstance(new, Rule) and bool(new.field)
    words = [
        f"{_SPOKEN.get(name, name.replace('_', ' '))} {_words(getattr(old, name))} becomes {_words(value)}"
        for name, value in _changed(old, new, fields).items()
        if not (built and name == "condition")
    ]
    return f"{kind} {old.name}: {'; '.join(words) or 'nothing'}."


_SPOKEN = {"also": "further comparisons"}


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_line_in_words(it) if isinstance(it, Mapping) else str(it) for it in value) or "empty"
    return "empty" if value in (None, "") else str(value)


def _line_in_words(line: Mapping[str, str]) -> str:
    how = Rule.Comparison(line["comparison"]).label
    return f"{line['joined']} {line['field']} {how} {line['value']}"


def _digest(document: Any) -> str:
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()


def _new_version(actor: Actor, policy: Policy, reason: str) -> None:
    """Keep the policy exactly as it stands from now on, so that an old decision can be replayed."""
    policy.version += 1
    stamp(policy, actor=actor, reason=reason).save(update_fields=["version"])
    stored = policy.rules.select_related("policy", "approver_group", "escalate_to").order_by("pk")
    rules: list[RuleFacts] = [rule_facts(rule) for rule in stored]
    content: Any = {
        "code": policy.code,
        "scope": [policy.scope_kind, policy.scope_id],
        "rules": [
            {
                **asdict(rule),
                "effects": list(rule.effects),
                "redact": list(rule.redact),
                "also": lines.as_data(rule.also),
            }
            for rule in rules
        ],
    }
    PolicyVersion.objects.create(
        policy=policy,
        number=policy.version,
        content=content,
        digest=_digest(content),
        reason=reason,
        published_by=policies.user_of(actor),
    )


def _record(
    actor: Actor,
    verb: str,
    subject: Policy | Rule | Measure,
    sentence: str,
    reason: str,
    content: Mapping[str, Any] | None = None,
) -> None:
    record_event(
        actor=actor, verb=verb, subject=subject.as_ref(), sentence=sentence, reason=reason, payload=content
    )
