"""Policies, rules and limits: tightening is instant, loosening waits for a second person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.models import ChangeRequest, Measure, Policy, Rule
from audit.vocabulary import Actor


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What became of a proposed change: applied at once, or waiting as ``change_request``."""

    applied: bool
    rule: Rule | None = None
    measure: Measure | None = None
    change_request: ChangeRequest | None = None


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
    raise NotImplementedError


def create_rule(*, actor: Actor, policy: Policy, content: Mapping[str, Any], reason: str) -> Rule:
    """Add a rule in any mode; adding only tightens, so it is instant. Publishing lints apply outside draft."""
    raise NotImplementedError


def propose_rule_change(*, actor: Actor, rule: Rule, changes: Mapping[str, Any], reason: str) -> RuleChange:
    """Change a rule at once when that only tightens, else open a ChangeRequest for a second person."""
    raise NotImplementedError


def remove_rule(*, actor: Actor, rule: Rule, reason: str) -> RuleChange:
    """Remove a rule; removing an enforced rule loosens and waits for a second person."""
    raise NotImplementedError


def create_measure(*, actor: Actor, content: Mapping[str, Any], reason: str) -> Measure:
    """Add a limit or a counter; adding only tightens, so it is instant."""
    raise NotImplementedError


def propose_measure_change(
    *, actor: Actor, measure: Measure, changes: Mapping[str, Any], reason: str
) -> RuleChange:
    """Change a limit at once when that only tightens, else open a ChangeRequest for a second person."""
    raise NotImplementedError
