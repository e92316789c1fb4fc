"""What a second person applies of the changes of policies, rules and limits."""

from __future__ import annotations

import copy

from agents import registry
from agents.decision.lint import lint_rule
from agents.models import ChangeRequest, Measure, Policy, Rule
from agents.selectors import measure_definition, rule_facts
from agents.services.history import lock_row
from agents.services.policies.limits import complete_measure, measure_state, write_measure
from agents.services.policies.parts import (
    CHANGE_MEASURE,
    CHANGE_RULE,
    MOVE_POLICY,
    REMOVE_RULE,
    from_payload,
    refuse_findings,
    with_values,
)
from agents.services.policies.rules import delete_rule, rule_state, write_rule
from agents.services.policies.scopes import move, policy_state
from audit.vocabulary import Actor


def register_change_kinds() -> None:
    """Tell the registry how changes of rules and limits are applied, and what makes one stale."""
    registry.register_change_kind(CHANGE_RULE, _apply_rule_change, _present_rule)
    registry.register_change_kind(REMOVE_RULE, _apply_rule_removal, _present_rule)
    registry.register_change_kind(CHANGE_MEASURE, _apply_measure_change, _present_measure)
    registry.register_change_kind(MOVE_POLICY, _apply_move, _present_policy)


def _present_rule(change_request: ChangeRequest) -> str:
    return rule_state(lock_row(Rule, change_request.target_id))


def _present_measure(change_request: ChangeRequest) -> str:
    return measure_state(lock_row(Measure, change_request.target_id))


def _present_policy(change_request: ChangeRequest) -> str:
    return policy_state(lock_row(Policy, change_request.target_id))


def _apply_rule_change(actor: Actor, change_request: ChangeRequest) -> None:
    rule = lock_row(Rule, change_request.target_id)
    values = from_payload(change_request.payload)
    if (wanted := with_values(copy.copy(rule), values)).mode != Rule.Mode.DRAFT:
        measures = [measure_definition(measure) for measure in Measure.objects.all()]
        refuse_findings(lint_rule(rule_facts(wanted), registry.all_operations(), measures), wanted.name)
    write_rule(actor, rule, values, change_request.reason, change_request)


def _apply_rule_removal(actor: Actor, change_request: ChangeRequest) -> None:
    rule = lock_row(Rule, change_request.target_id)
    delete_rule(actor, rule, change_request.reason, change_request)


def _apply_measure_change(actor: Actor, change_request: ChangeRequest) -> None:
    measure = lock_row(Measure, change_request.target_id)
    complete_measure(with_values(copy.copy(measure), change_request.payload))
    write_measure(actor, measure, change_request.payload, change_request.reason)


def _apply_move(actor: Actor, change_request: ChangeRequest) -> None:
    policy = lock_row(Policy, change_request.target_id)
    wanted = change_request.payload
    move(actor, policy, wanted["scope_kind"], wanted["scope_id"], change_request.reason, change_request)
