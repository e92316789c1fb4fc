"""Policies, rules and limits: tightening is instant, loosening waits for a second person."""

from __future__ import annotations

from agents.services.policies.applying import register_change_kinds
from agents.services.policies.limits import (
    create_measure,
    limit_as_edited,
    propose_measure_change,
)
from agents.services.policies.parts import (
    CHANGE_MEASURE,
    CHANGE_RULE,
    FORM_FIELDS,
    MEASURE_FIELDS,
    MOVE_POLICY,
    REMOVE_RULE,
    RULE_FIELDS,
    RuleChange,
    in_the_new_form,
)
from agents.services.policies.rules import (
    create_rule,
    has_own_sentence,
    preview_rule_change,
    propose_rule_change,
    remove_rule,
    rule_as_created,
    rule_as_edited,
)
from agents.services.policies.scopes import create_policy, describe_policy, move_waits, propose_policy_move

__all__ = [
    "CHANGE_MEASURE",
    "CHANGE_RULE",
    "FORM_FIELDS",
    "MEASURE_FIELDS",
    "MOVE_POLICY",
    "REMOVE_RULE",
    "RULE_FIELDS",
    "RuleChange",
    "create_measure",
    "create_policy",
    "create_rule",
    "describe_policy",
    "has_own_sentence",
    "in_the_new_form",
    "limit_as_edited",
    "move_waits",
    "preview_rule_change",
    "propose_measure_change",
    "propose_policy_move",
    "propose_rule_change",
    "register_change_kinds",
    "remove_rule",
    "rule_as_created",
    "rule_as_edited",
]
