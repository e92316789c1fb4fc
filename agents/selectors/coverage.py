"""Which rules, limits and throttles speak of which operation, and which operations none speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, IntegerField, QuerySet, Value, When

from agents.decision.patterns import pattern_matches
from agents.models import Measure, PolicyVersion, Rule, Throttle

Mode, Verdict = Rule.Mode, Rule.Verdict
# The strictest first, as they decide: what is refused is refused whatever else agrees.
STRENGTH = {Verdict.DENY: 0, Verdict.HOLD: 1, Verdict.NONE: 2}
STANDING = {Mode.ENFORCED: 0, Mode.SHADOW: 1, Mode.DRAFT: 2}


@dataclass(frozen=True, slots=True)
class Coverage:
    """One operation with what binds it. ``tried``: rules and limits that are only drafts or in shadow."""

    operation: Any
    rules: tuple[Rule, ...]
    limits: tuple[Measure, ...]
    throttles: tuple[Throttle, ...]
    tried: int

    @property
    def is_bound(self) -> bool:
        """Whether any rule or limit in force speaks of it; a throttle only makes it wait."""
        return bool(self.rules or self.limits)


def in_order(rules: QuerySet[Rule]) -> QuerySet[Rule]:
    """Return rules in the order in which they decide: in force first, then the strictest, then by stage."""
    standing = Case(
        *(When(mode=key, then=Value(at)) for key, at in STANDING.items()), output_field=IntegerField()
    )
    strength = Case(
        *(When(verdict=key, then=Value(at)) for key, at in STRENGTH.items()), output_field=IntegerField()
    )
    return rules.order_by(standing, strength, "stage", "name", "pk")


def speaks_of(pattern: str, effects: Sequence[str], operation: Any) -> bool:
    """Tell whether a rule or limit with this pattern speaks of an operation; never of one it cannot read."""
    try:
        return pattern_matches(pattern, operation.code) and (not effects or operation.effect in effects)
    except ValueError:
        return False


def coverage_of(
    operations: Iterable[Any],
    rules: Sequence[Rule],
    limits: Sequence[Measure],
    throttles: Sequence[Throttle],
) -> list[Coverage]:
    """Return each operation with what binds it of these; whom each of them binds is not looked at."""
    return [_covered(operation, rules, limits, throttles) for operation in operations]


def _covered(
    operation: Any, rules: Sequence[Rule], limits: Sequence[Measure], throttles: Sequence[Throttle]
) -> Coverage:
    speaking = [rule for rule in rules if speaks_of(rule.operations, rule.effects, operation)]
    counting = [limit for limit in limits if speaks_of(limit.operations, (), operation)]
    named = {("operation", operation.code), ("system", str(operation.system_id))}
    in_force = tuple(rule for rule in speaking if rule.mode == Mode.ENFORCED)
    holding = tuple(limit for limit in counting if limit.mode == Mode.ENFORCED and limit.ceiling is not None)
    return Coverage(
        operation=operation,
        rules=in_force,
        limits=holding,
        throttles=tuple(it for it in throttles if (it.scope_kind, it.scope_id) in named),
        tried=sum(rule.mode != Mode.ENFORCED for rule in speaking)
        + sum(limit.mode != Mode.ENFORCED for limit in counting),
    )


def versions_of(policy_id: Any) -> QuerySet[PolicyVersion]:
    """Return the versions of a policy, newest first, with who changed it and what two people agreed to."""
    related = ("published_by", "change_request__proposer", "change_request__approver")
    return PolicyVersion.objects.filter(policy=policy_id).select_related(*related).order_by("-number")
