"""What publishing refuses: rules that cannot work, before they ever meet a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agents.decision import cel, expressions
from agents.decision.budgets import is_budget, why_not_a_budget
from agents.decision.context import NAMES, schema_at, types_at
from agents.decision.counting import why_not_countable
from agents.decision.expressions import Path
from agents.decision.facts import Effect, MeasureDefinition, Mode, OperationFacts, RuleFacts
from agents.decision.patterns import operations_hit, pattern_matches
from agents.decision.stages import MOST_STAGES

_KNOWN_PARTS = {
    "agent": {"id", "code", "role", "department", "risk_tier", "autonomy", "sponsor", "days"},
    "clock": {"date", "weekday", "weekend", "hour"},
    "operation": {"code", "effect", "revision"},
    "run": {"within", "id", "workflow"},
    "system": {"code", "category", "environment"},
}
_READINGS = {"amount", "reserved", "settled", "ceiling", "headroom"}
_FUNCTIONS = frozenset(
    {
        "size",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "int",
        "string",
        "duration",
        "timestamp",
        "fold",
        "has",
    }
    | {"getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getHours", "getMinutes"}
)
_FITS: dict[str, set[str]] = {
    "string": {"string"},
    "whole": {"integer", "decimal"},
    "flag": {"boolean"},
    "fraction": set(),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a rule: the field it concerns, a stable code and what to do about it."""

    field: str
    code: str
    message: str


def lint_rule(
    rule: RuleFacts, operations: Sequence[OperationFacts], measures: Sequence[MeasureDefinition] = ()
) -> list[Finding]:
    """Return everything that keeps a rule from being published against the operations that exist now."""
    findings = list(_lint_shape(rule))
    try:
        hit = operations_hit(rule.operations, rule.effects, operations)
    except ValueError as error:
        return [*findings, Finding("operations", "pattern_invalid", str(error))]
    if not hit:
        findings.append(_nothing_hit(rule.operations))
    return [*findings, *_lint_expression("condition", rule.condition, hit, measures)]


def lint_measure(measure: MeasureDefinition, operations: Sequence[OperationFacts]) -> list[Finding]:
    """Return everything that keeps a limit from being published against the operations that exist now."""
    try:
        hit = operations_hit(measure.operations, (), operations)
    except ValueError as error:
        return [Finding("operations", "pattern_invalid", str(error))]
    findings = [] if hit else [_nothing_hit(measure.operations)]
    if is_budget(measure):
        why = why_not_a_budget(measure)
        return [*findings, Finding(why[0], "budget_invalid", why[1])] if why else findings
    if why := why_not_countable(measure.unit, measure.window, measure.amount):
        findings.append(Finding(why[0], "not_countable", why[1]))
    if not measure.amount.strip():
        findings.append(Finding("amount", "amount_empty", "Say how much one action adds: 1, or amount."))
    for field, text in (("key", measure.key), ("amount", measure.amount)):
        findings += _lint_expression(field, text, hit, ())
        if "measures" in _names(text):
            findings.append(Finding(field, "name_unknown", "A limit cannot read other limits."))
    if measure.unit == "money" and "amount" not in _names(measure.amount):
        message = "A limit in money must add the amount. Write amount, or count calls instead."
        findings.append(Finding("amount", "amount_not_money", message))
    return [*findings, *_lint_read(measure, operations)]


def _nothing_hit(pattern: str) -> Finding:
    return Finding(
        "operations",
        "pattern_matches_nothing",
        f"No operation fits {pattern!r} with these effects.",
    )


def _lint_shape(rule: RuleFacts) -> Iterator[Finding]:
    for effect in rule.effects:
        if effect not in frozenset(Effect):
            yield Finding(
                "effects", "effect_unknown", f"{effect!r} is no effect. Use read, write, financial ..."
            )
    if rule.quorum < 1:
        yield Finding("quorum", "quorum_too_small", "At least one person must approve.")
    has_duty = rule.note or rule.redact or rule.approver_group or rule.quorum > 1 or rule.step_up
    if rule.verdict == "none" and not has_duty:
        yield Finding("verdict", "rule_without_effect", "This rule does nothing. Give it a verdict or a duty.")
    if rule.levels and not (rule.verdict == "hold" or rule.approver_group):
        yield Finding("levels", "duty_without_hold", "It asks nobody, so nobody is asked later either.")
    yield from _lint_stage(rule)
    if rule.verdict == "deny" and (rule.approver_group or rule.quorum > 1 or rule.step_up):
        yield Finding(
            "approver_group", "duty_without_hold", "What is refused is never approved. Hold it instead."
        )
    for path in rule.redact:
        if not path.startswith("args."):
            yield Finding(
                "redact", "redact_unknown", f"{path!r} cannot be hidden. Name an argument: args.iban."
            )


def _lint_stage(rule: RuleFacts) -> Iterator[Finding]:
    if not 1 <= rule.stage <= MOST_STAGES:
        yield Finding("stage", "stage_unknown", f"There are stages 1 to {MOST_STAGES}. Choose one of them.")
    elif rule.stage > 1 and (rule.verdict == "deny" or not (rule.verdict == "hold" or rule.approver_group)):
        message = "It asks nobody, so nobody decides at that stage. Hold it, or say who may approve."
        yield Finding("stage", "duty_without_hold", message)


def _names(text: str) -> set[str]:
    try:
        return cel.names_used(text) if text.strip() else set()
    except cel.ConditionError:
        return set()


def _lint_expression(
    field: str, text: str, operations: Sequence[OperationFacts], measures: Sequence[MeasureDefinition]
) -> list[Finding]:
    if not text.strip():
        return []
    try:
        names, functions = cel.names_used(text), set(cel.compile_condition(text).functions())
    except cel.ConditionError as error:
        return [Finding(field, "does_not_compile", f"The text cannot be used: {error}.")]
    findings = [
        Finding(field, "name_unknown", f"{name!r} is not known. Rules read {', '.join(sorted(NAMES))}.")
        for name in sorted(names - NAMES)
    ]
    for function in sorted(functions - _FUNCTIONS):
        if function[0].isalpha():
            findings.append(Finding(field, "function_unknown", f"The function {function}() is not offered."))
    for literal in expressions.fractions(text):
        message = f"{literal} is a fraction. Write money in minor units and other decimals in millionths."
        findings.append(Finding(field, "fraction", message))
    findings += _lint_money(field, names, operations)
    paths = expressions.paths(text)
    findings += _lint_fixed(field, paths)
    findings += _lint_measures(field, paths, operations, measures)
    for operation in operations:
        findings += _lint_arguments(field, paths, operation, bound=expressions.bound_names(text))
    return findings


def _lint_money(field: str, names: set[str], operations: Sequence[OperationFacts]) -> Iterator[Finding]:
    without = [op.code for op in operations if not op.money_path]
    for name in sorted(names & {"amount", "currency"}):
        if without:
            message = (
                f"{name} is not stated by {', '.join(without[:3])}, so every such call would be refused. "
                "Choose the effect financial or name fewer operations."
            )
            yield Finding(field, "amount_not_stated", message)


def _lint_fixed(field: str, paths: Sequence[Path]) -> Iterator[Finding]:
    for path in paths:
        known = _KNOWN_PARTS.get(path.parts[0])
        if known and len(path.parts) > 1 and path.parts[1] not in known:
            message = f"{path} does not exist. Known: {', '.join(sorted(known))}."
            yield Finding(field, "name_unknown", message)


def _lint_measures(
    field: str,
    paths: Sequence[Path],
    operations: Sequence[OperationFacts],
    measures: Sequence[MeasureDefinition],
) -> Iterator[Finding]:
    by_code = {measure.code: measure for measure in measures}
    tested = {path.parts for path in paths if path.tested}
    for path in paths:
        if path.parts[0] != "measures" or len(path.parts) < 2:
            continue
        measure = by_code.get(path.parts[1])
        if measure is None or measure.mode == Mode.DRAFT:
            yield Finding(
                field, "measure_unknown", f"The limit {path.parts[1]!r} does not exist or is a draft."
            )
        elif not all(_reads(measure, op.code) for op in operations):
            yield Finding(
                field,
                "measure_not_counted",
                f"The limit {measure.code} neither counts all of these nor is read for them.",
            )
        elif len(path.parts) > 2 and path.parts[2] not in _READINGS:
            yield Finding(
                field, "name_unknown", f"{path} does not exist. Known: {', '.join(sorted(_READINGS))}."
            )
        elif (
            measure.ceiling is None
            and len(path.parts) > 2
            and path.parts[2] in ("ceiling", "headroom")
            and path.parts not in tested
        ):
            yield Finding(field, "may_be_absent", f"{path} exists only with a ceiling. Ask has({path}) first.")


def _reads(measure: MeasureDefinition, code: str) -> bool:
    patterns = [it for it in (measure.operations, measure.read_for) if it]
    return any(pattern_matches(it, code) for it in patterns)


def _lint_read(measure: MeasureDefinition, operations: Sequence[OperationFacts]) -> Iterator[Finding]:
    """What may only be read needs its own key: its arguments are not those of what is counted."""
    if not measure.read_for:
        if measure.read_key.strip():
            yield Finding(
                "read_for", "read_for_empty", "Say for which operations it is read, or leave both empty."
            )
        return
    try:
        hit = operations_hit(measure.read_for, (), operations)
    except ValueError as error:
        yield Finding("read_for", "pattern_invalid", str(error))
        return
    if not hit:
        yield Finding("read_for", "pattern_matches_nothing", f"No operation fits {measure.read_for!r}.")
    if bool(measure.key.strip()) != bool(measure.read_key.strip()):
        message = "It is counted apart for a key, or together; both sides have to say the same."
        yield Finding("read_key", "read_key_missing", message)
    yield from _lint_expression("read_key", measure.read_key, hit, ())


def _lint_arguments(
    field: str, paths: Sequence[Path], operation: OperationFacts, bound: set[str]
) -> Iterator[Finding]:
    schema = operation.input_schema
    if schema is None:
        return
    tested = {path.parts for path in paths if path.tested}
    for path in paths:
        if path.parts[0] != "args" or len(path.parts) < 2 or "args" in bound:
            continue
        found, _ = schema_at(schema, path.parts[1:])
        if found is None:
            yield Finding(field, "field_unknown", f"{path} does not exist in {operation.code}.")
            continue
        yield from _lint_presence(field, path, operation, tested)
        types = types_at(found, schema) - {"null"}
        if path.compared_with and types and not types & _FITS[path.compared_with]:
            kinds = " or ".join(sorted(types))
            message = f"{path} in {operation.code} is {kinds}; compare it with a value of its kind."
            yield Finding(field, "type_mismatch", message)


def _lint_presence(
    field: str, path: Path, operation: OperationFacts, tested: set[tuple[str, ...]]
) -> Iterator[Finding]:
    """A part that may be absent needs ``has()`` somewhere; below ``has(a.b)`` only ``a`` must be there."""
    last = len(path.parts) - 1 if path.tested else len(path.parts)
    for size in range(2, last + 1):
        part = path.parts[:size]
        _, certain = schema_at(operation.input_schema or {}, part[1:])
        if not certain and part not in tested and "[]" not in part:
            name = ".".join(part)
            message = f"{name} may be absent in {operation.code}. Ask has({name}) && first."
            yield Finding(field, "may_be_absent", message)
            return
