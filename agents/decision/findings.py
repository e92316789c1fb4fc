"""What every rule and limit says about one call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agents.decision import cel, wording
from agents.decision.budgets import is_budget, key_of
from agents.decision.context import build_context
from agents.decision.facts import (
    DecisionRequest,
    Effect,
    Escalation,
    MeasureDefinition,
    MeasureFacts,
    Mode,
    Obligations,
    OperationFacts,
    RuleFacts,
    RuleResult,
    Snapshot,
    Verdict,
)
from agents.decision.gates import stops_that_hit
from agents.decision.patterns import pattern_matches, scope_binds

_MODES = frozenset(Mode)
_RULE_VERDICTS = frozenset({"deny", "hold", "none"})
_PRIORITY = {
    # Among denials, then among holds: which one is told first. All of them are recorded.
    "denied_by_rule": 0,
    "duplicate": 1,
    "limit_reached": 2,
    "rule_error": 3,
    "stop_hold": 9,
    "held_by_rule": 10,
    "no_rate": 11,
    "limit_hold": 12,
    "autonomy_hold": 13,
    "probation_hold": 13,
    "": 20,
}
STRENGTH = {Verdict.DENY: 0, Verdict.HOLD: 1, Verdict.ALLOW: 2}


_NO_DUTIES = Obligations()


@dataclass(frozen=True, slots=True)
class Finding:
    """One voice in the decision. ``decides`` is False for drafts, shadows and what did not apply."""

    verdict: Verdict
    code: str
    why: str
    decides: bool
    result: RuleResult | None = None
    version: int = 0
    duties: Obligations = _NO_DUTIES
    rule: RuleFacts | None = None

    @property
    def stage(self) -> int:
        """Return at which stage it asks people: what no rule says is asked first."""
        return max(1, self.rule.stage) if self.rule else 1

    @property
    def asks(self) -> bool:
        """Say whether it asks people: it holds, or names a group."""
        return self.verdict == Verdict.HOLD or bool(self.duties.approver_groups)

    def order(self) -> tuple[int, int, str]:
        """Return the place in the order of telling; nothing in it depends on the order of the snapshot."""
        return STRENGTH[self.verdict], _PRIORITY[self.code], self.result.rule_id if self.result else ""


def _escalations(rule: RuleFacts) -> tuple[Escalation, ...]:
    """Return whom a rule lets approve later in place of its group: an empty one says as in the company."""
    if not (rule.approver_group or rule.verdict == "hold"):
        return ()
    return (Escalation(rule.approver_group, rule.levels, rule.clock, max(1, rule.stage)),)


class Case:
    """One request against one snapshot, with the context that all conditions share."""

    def __init__(self, request: DecisionRequest, snapshot: Snapshot) -> None:
        if request.operation is None:
            raise ValueError("an unknown operation is no case for rules")
        self.request, self.snapshot = request, snapshot
        self.operation: OperationFacts = request.operation

    @cached_property
    def context(self) -> Any:
        """The CEL context, built once."""
        return cel.make_context(build_context(self.request, self.operation, self.snapshot.time_zone))

    @property
    def without_rate(self) -> bool:
        """Tell whether money moves whose worth in company currency is unknown."""
        return bool(self.operation.money_path) and (
            self.request.money is None or self.request.money.company_minor is None
        )

    def gate_findings(self) -> Iterator[Finding]:
        """Yield what holds whatever the rules say."""
        writes = self.operation.effect != Effect.READ
        if self.request.agent.on_probation and writes:
            why = f"{self.request.agent.name} is on probation, so a person approves every write"
            yield Finding(Verdict.HOLD, "probation_hold", why, decides=True)
        elif self.request.agent.autonomy == "hold_writes" and writes:
            why = f"a person approves every write of {self.request.agent.name}"
            yield Finding(Verdict.HOLD, "autonomy_hold", why, decides=True)
        for stop in stops_that_hit(self.request, self.snapshot):
            if stop.stage == "held" and writes:
                what = stop.scope_label or "everything"
                why = f"{what} was stopped and is on its way back, so a person approves every write"
                yield Finding(Verdict.HOLD, "stop_hold", why, decides=True)
                break
        if self.without_rate and self.request.money is not None:
            currency = self.request.money.currency
            why = f"the company has no exchange rate for {currency}, so its limits could not be checked"
            amount = wording.money_words(self.request.money, self.snapshot.company_currency)
            yield Finding(Verdict.HOLD, "no_rate", f"{why}. This one is {amount}", decides=True)

    def rule_findings(self) -> Iterator[Finding]:
        """Yield the finding of every rule that speaks of this call."""
        for rule, silence in rules_about(self.snapshot, self.operation):
            if finding := self.finding_of(rule, silence):
                yield finding

    def finding_of(self, rule: RuleFacts, silence: Finding | None = None) -> Finding | None:
        """Return what one rule says of this call; None where it does not speak of it.

        ``silence``: what it says of whatever it does not apply to (``silence_of``), if that is at hand.
        """
        error, matched, unpriced = "", False, False
        try:
            if not self._speaks_of(rule.scope_kind, rule.scope_id, rule.operations, rule.effects):
                return None
            if rule.verdict not in _RULE_VERDICTS or rule.mode not in _MODES:
                raise cel.ConditionError("its verdict or mode is not known")
            unpriced = self.without_rate and "amount" in cel.names_used(rule.condition or "true")
            matched = unpriced or cel.holds(rule.condition, self.context)
        except (cel.ConditionError, ValueError) as problem:
            error = str(problem)
        if not matched and not error:
            return silence or silence_of(rule)
        return self._as_finding(rule, matched=matched, unpriced=unpriced, error=error)

    def _speaks_of(
        self, scope_kind: str, scope_id: str, operations: str, effects: tuple[str, ...] = ()
    ) -> bool:
        if not scope_binds(scope_kind, scope_id, self.request.agent):
            return False
        if not pattern_matches(operations, self.operation.code):
            return False
        return not effects or self.operation.effect in effects

    def _as_finding(self, rule: RuleFacts, *, matched: bool, unpriced: bool, error: str) -> Finding:
        verdict = Verdict.HOLD if unpriced and rule.verdict == "deny" else _verdict(rule.verdict)
        result = RuleResult(
            rule.rule_id, rule.name, rule.sentence, rule.mode, matched, verdict.value if matched else "", error
        )
        # An unknown mode is taken for enforced: whoever wrote it wanted the rule to count.
        enforced = rule.mode not in (Mode.DRAFT, Mode.SHADOW)
        if error:
            why = f"the rule {rule.name!r} could not be checked: {error}"
            return Finding(Verdict.DENY, "rule_error", why, enforced, result, rule.version, rule=rule)
        code = {Verdict.DENY: "denied_by_rule", Verdict.HOLD: "held_by_rule"}.get(verdict, "")
        duties = Obligations(
            max(1, rule.quorum),
            (rule.approver_group,) if rule.approver_group else (),
            (rule.note,) if rule.note else (),
            tuple(rule.redact),
            rule.remind_minutes,
            rule.clock,
            _escalations(rule),
            step_up=rule.step_up,
        )
        why = rule.sentence or rule.name
        return Finding(verdict, code, why, enforced, result, rule.version, duties, rule)

    def measure_findings(self) -> Iterator[Finding]:
        """Yield the finding of every limit that binds this call."""
        for definition in self.snapshot.measures:
            if finding := self._measure_finding(definition):
                yield finding

    def _measure_finding(self, measure: MeasureDefinition) -> Finding | None:
        facts = self.request.measures.get(measure.code)
        if is_budget(measure) and key_of(measure, self.request.run_id) is None:
            return None
        try:
            if not self._speaks_of(measure.scope_kind, measure.scope_id, measure.operations):
                return None
            error = "it was not read" if facts is None else facts.error
        except ValueError as problem:
            error = str(problem)
        if facts is None and measure.mode == Mode.DRAFT:
            return None
        if facts is None or error:
            return self._unread(measure, error)
        return self._limit_finding(measure, facts)

    def _unread(self, measure: MeasureDefinition, error: str) -> Finding:
        if measure.unit == "money" and self.without_rate:
            return self._limit(measure, Verdict.HOLD, "no_rate", "its amount in company currency is not known")
        why = f"the limit {measure.name!r} could not be checked: {error}"
        return self._limit(measure, Verdict.DENY, "rule_error", why, error)

    def _limit_finding(self, measure: MeasureDefinition, facts: MeasureFacts) -> Finding:
        if not facts.exceeded:
            return self._limit(measure, Verdict.ALLOW, "", "")
        why = wording.measure_words(measure, facts, self.snapshot.company_currency)
        if measure.on_exceed == "hold":
            return self._limit(measure, Verdict.HOLD, "limit_hold", why)
        code = "duplicate" if wording.is_no_duplicate(measure) else "limit_reached"
        return self._limit(measure, Verdict.DENY, code, why)

    def _limit(
        self, measure: MeasureDefinition, verdict: Verdict, code: str, why: str, error: str = ""
    ) -> Finding:
        matched = bool(code) and not error
        said = verdict.value if matched else ""
        words = why or measure.name
        result = RuleResult(measure.measure_id, measure.name, words, measure.mode, matched, said, error)
        decides = bool(code) and measure.mode not in (Mode.DRAFT, Mode.SHADOW)
        return Finding(verdict, code, why, decides, result, measure.version)


def silence_of(rule: RuleFacts) -> Finding:
    """Return the finding of a rule that speaks of a call and does not apply to it: always the same."""
    result = RuleResult(rule.rule_id, rule.name, rule.sentence, rule.mode, False, "")
    return Finding(Verdict.ALLOW, "", "", False, result, rule.version, rule=rule)


def rules_about(snapshot: Snapshot, operation: OperationFacts) -> tuple[tuple[RuleFacts, Finding], ...]:
    """Return the rules that may speak of an operation, whomever they bind, each with what it says when it does
    not apply; looked for once in a snapshot.

    A rule whose pattern cannot be read is among them: whether it binds is asked first, and then it denies.
    """
    key = ("rules", operation.code, operation.effect)
    found = snapshot.index.get(key)
    if found is None:
        found = snapshot.index[key] = tuple(
            (rule, silence_of(rule))
            for rule in snapshot.rules
            if _may_speak_of(rule, operation.code, operation.effect)
        )
    return found


def _may_speak_of(rule: RuleFacts, code: str, effect: str) -> bool:
    try:
        return pattern_matches(rule.operations, code) and (not rule.effects or effect in rule.effects)
    except ValueError:
        return True


def _verdict(of_rule: str) -> Verdict:
    return {"hold": Verdict.HOLD, "none": Verdict.ALLOW}.get(of_rule, Verdict.DENY)
