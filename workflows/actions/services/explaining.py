"""A decision as it is written down: every rule with its result, the duties, what was read for it."""

from __future__ import annotations

import dataclasses
from typing import Any

from agents.decision import Decision, DecisionRequest, MeasureFacts, MoneyFacts, Obligations, RuleResult


def explanation(decision: Decision, request: DecisionRequest | None = None) -> dict[str, Any]:
    """Return a decision as JSON: every rule with its result, what decided, the duties, the headroom."""
    found: dict[str, Any] = {
        "verdict": str(decision.verdict),
        "code": decision.code,
        "sentence": decision.sentence,
        "next": decision.next_step,
        "policy_version": decision.policy_version,
        "binding": decision.binding,
        "rules": [_columns(rule) for rule in decision.rules],
        "deciding": list(decision.deciding),
        "grants": list(decision.grants),
        "obligations": _duties(decision.obligations),
    }
    return {**found, **readings(request)} if request else found


def _duties(told: Obligations) -> dict[str, Any]:
    later = [
        {
            "group": one.group,
            "clock": one.clock,
            "stage": one.stage,
            "levels": [[level.minutes, level.kind, level.group] for level in one.levels],
        }
        for one in told.escalations
    ]
    stages = [[stage.number, list(stage.groups), stage.quorum] for stage in told.stages]
    return {**_columns(told), "escalations": later, "stages": stages}


def _columns(told: RuleResult | Obligations | MoneyFacts) -> dict[str, Any]:
    """Return the fields of flat facts by name; ``asdict`` copies every value of them, too."""
    return {one.name: getattr(told, one.name) for one in dataclasses.fields(told)}


def readings(request: DecisionRequest) -> dict[str, Any]:
    """Return what was read for a decision: the headroom of every limit, and the money."""
    return {
        "limits": [_reading(code, facts) for code, facts in sorted(request.measures.items())],
        "money": _columns(request.money) if request.money else None,
    }


def _reading(code: str, facts: MeasureFacts) -> dict[str, Any]:
    return {
        "code": code,
        "name": facts.name,
        "unit": facts.unit,
        "key": facts.key,
        "adds": facts.amount,
        "reserved": facts.reserved,
        "settled": facts.settled,
        "ceiling": facts.ceiling,
        "headroom": facts.headroom,
        "error": facts.error,
    }
