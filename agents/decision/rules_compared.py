"""What a change of one rule lets whom do, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from agents.decision import lines
from agents.decision.direction import Direction, direction_of_rule, of_escalation, of_whoever_is_asked
from agents.decision.facts import AgentFacts, Mode, OperationFacts, RuleFacts
from agents.decision.levels import level_words
from agents.decision.money import format_minor, major_to_minor
from agents.decision.said import NOTHING, Said, deeds, looser, shown, tighter, who
from agents.decision.speech import people, series
from agents.decision.worlds import Reached

_NOUN = {"hold": "hold", "deny": "refusal", "none": "duty"}
_RANK = {"none": 0, "hold": 1, "deny": 2}
_VERDICTS = {
    ("deny", "hold"): "Lets {who} do with the agreement of a person what was refused",
    ("deny", "none"): "Lets {who} do without a person what was refused",
    ("hold", "none"): "Lets {who} do without a person what had to wait for one",
    ("none", "hold"): "Asks a person about what {who} did alone",
    ("none", "deny"): "Refuses to {who} what was allowed",
    ("hold", "deny"): "Refuses to {who} what a person could agree to",
}
# What is said by a sentence of its own, what only names a rule, and what the condition stands for already.
_SAID = frozenset(
    {"scope_kind", "scope_id", "operations", "effects", "condition", "verdict", "mode", "quorum"}
    | {"approver_group", "note", "redact", "levels", "clock", "stage", "step_up"}
    | {"field", "comparison", "value", "also"}
    | {"rule_id", "policy_id", "policy_code", "name", "sentence", "version"}
)


@dataclass(frozen=True, slots=True)
class RuleCase:
    """One rule before (None: new) and after (None: removed), and whom it reaches of those at work.

    ``before`` and ``after``: by the id of the agent, the agent and the granted operations the rule speaks of;
    of a rule that is not in force, whom it would reach. ``others(agents)``: the other rules in force
    afterwards, with whom of these they reach.
    """

    old: RuleFacts | None
    new: RuleFacts | None
    before: Reached
    after: Reached
    operations: Mapping[str, OperationFacts]
    currency: str
    ordinary_approvers: str = ""
    scope_words: tuple[str, str] = ("", "")
    others: Callable[[Sequence[AgentFacts]], Iterable[tuple[RuleFacts, Reached]]] = lambda _agents: ()


def rule_difference(case: RuleCase) -> Iterator[Said]:
    """Yield what is different for whom; nothing when both are the same."""
    old, new = case.old, case.new
    if old == new:
        return
    was, is_now = _enforced(old), _enforced(new)
    if not was and not is_now:
        yield tighter(f"{NOTHING}: {_name(case)} decides nothing, before and after.")
    elif not was:
        yield from _begins(case)
    elif not is_now:
        yield from _ends(case)
    else:
        yield from _changes(case)


def _enforced(rule: RuleFacts | None) -> bool:
    return rule is not None and rule.mode not in (Mode.DRAFT, Mode.SHADOW)


def _name(case: RuleCase) -> str:
    rule = case.new or case.old
    return f"the rule “{rule.name}”" if rule else "the rule"


def _words(rule: RuleFacts) -> str:
    return (rule.sentence or rule.name).rstrip(".")


def _agents(reached: Reached) -> list[AgentFacts]:
    return [agent for agent, _ in reached.values()]


def _nobody(case: RuleCase, what: str) -> Said:
    return Said(f"{NOTHING}: {what}, and no agent at work is bound by it.", is_looser=not _enforced(case.new))


def _noun(rule: RuleFacts) -> str:
    return _NOUN.get(rule.verdict, "refusal")


def _begins(case: RuleCase) -> Iterator[Said]:
    rule = case.new
    if rule is None:
        return
    if case.after:
        agents = who(_agents(case.after))
        yield tighter(f"Adds a {_noun(rule)} for {agents}: {_words(rule)}.{_asked(case, rule)}")
    else:
        yield _nobody(case, f"{_name(case)} is added")


def _asked(case: RuleCase, rule: RuleFacts) -> str:
    if rule.verdict != "hold":
        return ""
    late = f" At stage {rule.stage}, once those before have agreed." if rule.stage > 1 else ""
    again = " Whoever approves must sign in again." if rule.step_up else ""
    whom = rule.approver_group or _ordinary(case)
    return f" {people(rule.quorum).capitalize()} of {whom} must agree.{late}{again}"


def _ordinary(case: RuleCase) -> str:
    return case.ordinary_approvers or "those who may approve"


def _ends(case: RuleCase) -> Iterator[Said]:
    rule = case.old
    if rule is None:
        return
    only = "" if case.new is None else f" It is only recorded from now on ({case.new.mode})."
    if not case.before:
        yield _nobody(case, f"{_name(case)} is no longer in force")
        return
    yield looser(f"Removes the {_noun(rule)} for {who(_agents(case.before))}: {_words(rule)}.{only}")
    yield from _held_anyway(case, _agents(case.before))


def _changes(case: RuleCase) -> Iterator[Said]:
    old, new = case.old, case.new
    if old is None or new is None:
        return
    direction = direction_of_rule(old, new, currency=case.currency)
    if not case.before and not case.after:
        is_looser = direction is Direction.LOOSENS
        yield Said(f"{NOTHING}: {_name(case)} changes, and no agent at work is bound by it.", is_looser)
        return
    yield from _whom(case, old, new)
    if both := [agent for key, (agent, _) in case.after.items() if key in case.before]:
        yield from _about(case, old, new, both)
        yield from _verdict(old, new, both)
        yield from _condition(case, old, new, both)
        yield from _people(case, old, new, both)
        yield from _duties(old, new, both)
        yield from _anything_else(old, new, both)
        if direction is Direction.LOOSENS:
            yield from _held_anyway(case, both)


def _whom(case: RuleCase, old: RuleFacts, new: RuleFacts) -> Iterator[Said]:
    lost = [agent for key, (agent, _) in case.before.items() if key not in case.after]
    gained = [agent for key, (agent, _) in case.after.items() if key not in case.before]
    if lost:
        yield looser(f"Removes the {_noun(old)} for {who(lost)}: {_words(old)}")
    if gained:
        yield tighter(f"Adds a {_noun(new)} for {who(gained)}: {_words(new)}.{_asked(case, new)}")
    if (old.scope_kind, old.scope_id) != (new.scope_kind, new.scope_id) and not (lost or gained):
        before, after = case.scope_words
        yield Said(
            f"Binds {after} instead of {before}: {_words(new)}. For agents at work today that is the same.",
            is_looser=new.scope_kind != "company",
        )


def _about(case: RuleCase, old: RuleFacts, new: RuleFacts, both: Sequence[AgentFacts]) -> Iterator[Said]:
    """Which operations: grouped by what is lost and gained, so that many agents make one sentence."""
    if (old.operations, set(old.effects)) == (new.operations, set(new.effects)):
        return
    groups: dict[tuple[frozenset[str], frozenset[str]], list[AgentFacts]] = {}
    for agent in both:
        before, after = case.before[agent.agent_id][1], case.after[agent.agent_id][1]
        groups.setdefault((before - after, after - before), []).append(agent)
    for (lost, gained), agents in sorted(groups.items(), key=lambda group: sorted(map(sorted, group[0]))):
        if lost:
            text = f"Lets {who(agents)} {deeds(lost, case.operations)} without this {_noun(old)}: {_words(old)}"
            yield looser(text)
        if gained:
            yield tighter(
                f"Counts also when {who(agents)} would {deeds(gained, case.operations)}: {_words(new)}"
            )
    if all(not lost and not gained for lost, gained in groups):
        yield Said(
            f"Speaks of {_pattern(new)} instead of {_pattern(old)}: {_words(new)}. "
            "For what agents at work may use today that is the same.",
            is_looser=True,
        )


def _pattern(rule: RuleFacts) -> str:
    what = "every operation" if rule.operations == "*" else rule.operations
    return f"{what} ({', '.join(sorted(rule.effects))})" if rule.effects else what


def _verdict(old: RuleFacts, new: RuleFacts, both: Sequence[AgentFacts]) -> Iterator[Said]:
    if old.verdict == new.verdict:
        return
    known = _VERDICTS.get((old.verdict, new.verdict), "Decides otherwise for {who}")
    is_looser = _RANK.get(new.verdict, -1) < _RANK.get(old.verdict, 9)
    yield (looser if is_looser else tighter)(f"{known.format(who=who(both))}: {_words(new)}")


def _condition(case: RuleCase, old: RuleFacts, new: RuleFacts, both: Sequence[AgentFacts]) -> Iterator[Said]:
    if old.condition.strip() == new.condition.strip():
        return
    if said := _of_amount(case, old, new, both):
        yield from said
        return
    is_looser = (
        direction_of_rule(_same_but_condition(old, new), new, currency=case.currency) is Direction.LOOSENS
    )
    if not new.condition.strip():
        text = f"Applies to every such call of {who(both)}: {_words(new)}"
    elif _words(old) == _words(new):
        text = f"Applies to other calls of {who(both)} under the same words: {_words(new)}. Read the condition"
    else:
        text = f"Applies to other calls of {who(both)}: “{_words(new)}” instead of “{_words(old)}”"
    yield (looser if is_looser else tighter)(text)


def _same_but_condition(old: RuleFacts, new: RuleFacts) -> RuleFacts:
    kept = {"condition", "field", "comparison", "value", "also"}
    values = {it.name: getattr(old if it.name in kept else new, it.name) for it in fields(RuleFacts)}
    return RuleFacts(**values)


def _of_amount(
    case: RuleCase, old: RuleFacts, new: RuleFacts, both: Sequence[AgentFacts]
) -> tuple[Said, ...] | None:
    """Say a threshold of money as what may be done up to it; None when these two are not such a pair."""
    before, after = threshold_of(old, case.currency), threshold_of(new, case.currency)
    if before is None or after is None or old.verdict != new.verdict or new.verdict not in ("hold", "deny"):
        return None
    codes = frozenset(code for agent in both for code in case.after[agent.agent_id][1])
    person = " without a person" if new.verdict == "hold" else ""
    more = after > before
    only = "" if more else "only "
    text = (
        f"Lets {who(both)} {deeds(codes, case.operations)} {only}{_up_to(after, case.currency)}{person} "
        f"instead of {_up_to(before, case.currency)}"
    )
    if not more:
        return (tighter(text),)
    return looser(text), *_held_by_others(case, both, after)


Threshold = tuple[int, bool]


def threshold_of(rule: RuleFacts, currency: str) -> Threshold | None:
    """Return up to which amount a rule says nothing, and whether that very amount passes too."""
    if rule.field != "amount" or rule.also or lines.as_built(rule, currency) is None:
        return None
    if rule.comparison not in ("above", "at_least"):
        return None
    return major_to_minor(rule.value, currency), rule.comparison == "above"


def _up_to(threshold: Threshold, currency: str) -> str:
    amount, inclusive = threshold
    return f"{'up to' if inclusive else 'below'} {format_minor(amount, currency)}"


def _held_by_others(case: RuleCase, both: Sequence[AgentFacts], after: Threshold) -> Iterator[Said]:
    """Name what still stops less than the new threshold, so that nobody takes the sentence for the whole."""
    for rule, reached in case.others(both):
        still = [
            agent
            for agent in both
            if agent.agent_id in reached and reached[agent.agent_id][1] & case.after[agent.agent_id][1]
        ]
        if not still or rule.verdict not in ("hold", "deny"):
            continue
        other = threshold_of(rule, case.currency)
        if not rule.condition.strip() or (other is not None and other < after):
            yield tighter(f"Another rule still applies to {who(still)} before that: {_words(rule)}")


def _people(case: RuleCase, old: RuleFacts, new: RuleFacts, both: Sequence[AgentFacts]) -> Iterator[Said]:
    if old.quorum != new.quorum:
        verb = "must agree" if new.verdict == "hold" else "must agree where a person is asked"
        text = f"{people(new.quorum)} instead of {people(old.quorum)} {verb} for {who(both)}: {_words(new)}"
        yield (looser if new.quorum < old.quorum else tighter)(text)
    if old.approver_group != new.approver_group:
        asks = new.approver_group or _ordinary(case), old.approver_group or _ordinary(case)
        is_looser = bool(old.approver_group) or old.verdict != "none"
        text = f"{asks[0]} instead of {asks[1]} must agree for {who(both)}: {_words(new)}"
        yield (looser if is_looser else tighter)(text)
    yield from _how_they_decide(old, new, both)
    yield from _next_level(old, new, both)


def _how_they_decide(old: RuleFacts, new: RuleFacts, both: Sequence[AgentFacts]) -> Iterator[Said]:
    if old.stage != new.stage:
        yield looser(
            f"Who must agree for {who(both)} decides at stage {new.stage} instead of {old.stage}; with others "
            f"that decide at that stage, fewer people may do: {_words(new)}"
        )
    if of_whoever_is_asked(old, new) is Direction.LOOSENS:
        yield looser(
            f"That {people(old.quorum)} must agree for {who(both)} is no longer said of everybody "
            f"who is asked, at every stage: {_words(new)}"
        )
    if old.step_up != new.step_up:
        must = "must" if new.step_up else "need no longer"
        text = f"Whoever approves for {who(both)} {must} sign in again just before: {_words(new)}"
        yield (tighter if new.step_up else looser)(text)


def _next_level(old: RuleFacts, new: RuleFacts, both: Sequence[AgentFacts]) -> Iterator[Said]:
    direction = of_escalation(old, new)
    if direction is Direction.NONE:
        return
    text = f"Who else may decide for {who(both)}, and after how long, is what the company says"
    if new.levels:
        text = f"For {who(both)}: {'; '.join(level_words(level, new.clock) for level in new.levels)}"
    elif old.clock != new.clock:
        text = f"Times for {who(both)} count as {'working' if new.clock == 'working' else 'wall clock'} time"
    yield (tighter if direction is Direction.TIGHTENS else looser)(f"{text}: {_words(new)}")


def _duties(old: RuleFacts, new: RuleFacts, both: Sequence[AgentFacts]) -> Iterator[Said]:
    if old.note != new.note:
        asked = f"Asks approvers to look at this: {new.note}"
        text = asked if new.note else f"Asks approvers no longer to look at this: {old.note}"
        yield (looser if old.note else tighter)(text)
    if bared := sorted(set(old.redact) - set(new.redact)):
        yield looser(f"Shows in records and on pages what was hidden of {who(both)}: {series(bared)}")
    if hidden := sorted(set(new.redact) - set(old.redact)):
        yield tighter(f"Hides in records and on pages of {who(both)}: {series(hidden)}")


def _anything_else(old: RuleFacts, new: RuleFacts, both: Sequence[AgentFacts]) -> Iterator[Said]:
    """Say every other field by its name: whoever adds one to a rule cannot forget the second person."""
    for each in fields(RuleFacts):
        if each.name in _SAID:
            continue
        before, after = getattr(old, each.name), getattr(new, each.name)
        if before != after:
            label = each.name.replace("_", " ")
            yield looser(f"{label} of {who(both)} is {shown(after)} instead of {shown(before)}: {_words(new)}")


def _held_anyway(case: RuleCase, agents: Sequence[AgentFacts]) -> Iterator[Said]:
    if held := [agent for agent in agents if agent.autonomy == "hold_writes"]:
        yield tighter(f"Everything that {who(held)} would write still waits for a person")
    if reading := [agent for agent in agents if agent.autonomy not in ("hold_writes", "by_contract")]:
        yield tighter(f"{who(reading)} may only read, before and after")
