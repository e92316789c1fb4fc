"""What one rule, limit or throttle is in a contract: the sentence people read, and the terms behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agents.decision import expressions, lines, wording
from agents.decision.budgets import COST, PER_RUN, is_budget
from agents.decision.contract import Clause, ContractFacts, ThrottleFacts
from agents.decision.counting import FAILURES, RUNNING
from agents.decision.facts import MeasureDefinition, OperationFacts, RuleFacts
from agents.decision.levels import later_of, level_words
from agents.decision.reach import Reach
from agents.decision.speech import people, sentence, series, span, spoken

_WINDOW = {
    "call": "per call",
    "minute": "per minute",
    "hour": "per hour",
    "day": "per day",
    "month": "per month",
    "ever": "in all, for ever",
}
BROKEN = "It cannot be checked as it is written, so what it might concern is refused until it is corrected."


class Terms:
    """Writes clauses for one agent, in the names that its contract uses."""

    def __init__(self, facts: ContractFacts, granted: Mapping[str, OperationFacts]) -> None:
        self.agent, self.names, self.granted = facts.agent, facts.names, granted
        self.measures = {it.code: it for it in facts.snapshot.measures}
        self.currency, self.time_zone = facts.snapshot.company_currency, facts.snapshot.time_zone

    def of_rule(self, rule: RuleFacts, reach: Reach, mark: str = "") -> Clause:
        """Return the clause of a rule; ``mark`` says that it is not in force."""
        return Clause(
            sentence(rule.sentence or rule.name),
            {
                "rule": rule.sentence,
                "condition": rule.condition,
                "read_in": self._read_in(rule.condition),
                "verdict": rule.verdict,
                "reaches": list(reach.codes),
                "broken": reach.broken,
                "quorum": max(1, rule.quorum),
                "group": rule.approver_group
                or (self.names.ordinary_approvers if rule.verdict == "hold" else ""),
                "note": rule.note,
                "redact": sorted(rule.redact),
                **({"stage": rule.stage} if rule.stage > 1 else {}),
                **({"step_up": True} if rule.step_up else {}),
                **later_of(rule),
                **({"goes_by": [self._counter(it) for it in read]} if (read := self._read_by(rule)) else {}),
            },
            tuple(self._details(rule, reach)),
            origin=f"{self._policy(rule)}{mark}",
        )

    def of_limit(self, measure: MeasureDefinition, reach: Reach, mark: str = "") -> Clause:
        """Return the clause of a limit; ``mark`` says that it is not in force."""
        if is_budget(measure):
            return self._of_budget(measure, mark)
        counted = [] if wording.is_no_duplicate(measure) else [counted_words(measure, self.currency)]
        apart = spoken(measure.key) if measure.key.strip() else ""
        details = [BROKEN] if reach.broken else [about] if (about := self._about(reach)) else []
        if counted and apart:
            details.append(f"Counted apart for each {apart}.")
        if measure.scope_kind != "agent" and counted:
            details.append(f"Counted together for {self._scope(measure.scope_kind, measure.scope_id)}.")
        more = wording.beyond_words(measure.on_exceed)
        details.append(f"What is more {more}." if counted else f"A second time {more}.")
        text = (
            f"{measure.name}: {counted[0]}" if counted else f"{measure.name}: never twice for the same {apart}"
        )
        return Clause(
            sentence(text),
            {
                "limit": measure.name,
                "scope": [measure.scope_kind, measure.scope_id],
                "reaches": list(reach.codes),
                "broken": reach.broken,
                "key": measure.key,
                "amount": measure.amount,
                "unit": measure.unit,
                "window": [measure.window, measure.window_seconds or 0],
                "ceiling": str(measure.ceiling),
                "read_in": [self.currency] if measure.unit == "money" else self._read_in(measure.amount),
                "on_exceed": measure.on_exceed,
            },
            tuple(details),
            origin=f"Limit{mark}" if mark else "",
        )

    def _of_budget(self, measure: MeasureDefinition, mark: str) -> Clause:
        """A budget counts model use, so that it binds whatever the agent may use."""
        text, *details = budget_words(measure, self.currency)
        if measure.scope_kind != "agent" and not measure.key.strip():
            details.append(f"Counted together for {self._scope(measure.scope_kind, measure.scope_id)}.")
        return Clause(
            text,
            {
                "budget": measure.name,
                "scope": [measure.scope_kind, measure.scope_id],
                "key": measure.key.strip(),
                "unit": measure.unit,
                "window": [measure.window, measure.window_seconds or 0],
                "ceiling": str(measure.ceiling),
                "read_in": [self.currency] if measure.unit == COST else [],
                "on_exceed": measure.on_exceed,
            },
            tuple(details),
            origin=f"Limit{mark}" if mark else "",
        )

    def voters(self, quorum: int, group: str) -> str:
        """Return who must agree: ``two people of Approvers must agree``."""
        who = group or self.names.ordinary_approvers or "those who may approve"
        return f"{people(quorum)} of {who} must agree"

    def _read_in(self, expression: str) -> list[str]:
        """Return what else a condition depends on: the currency of ``amount``, the zone of the clock."""
        names = {path.parts[0] for path in expressions.paths(expression)}
        units = {"amount": self.currency, "clock": self.time_zone}
        return [unit for name, unit in units.items() if name in names]

    def _details(self, rule: RuleFacts, reach: Reach) -> Iterator[str]:
        if reach.broken:
            yield BROKEN
        elif about := self._about(reach):
            yield about
        yield from self._exactly(rule)
        for counter in self._read_by(rule):
            yield self._goes_by(counter)
        if "clock" in {path.parts[0] for path in expressions.paths(rule.condition)}:
            yield f"Days and hours are those of {self.time_zone}."
        yield from self._asked(rule)
        if rule.redact:
            hidden = series(
                " ".join(path.split(".")[1:] or [path]).replace("_", " ") for path in sorted(rule.redact)
            )
            yield f"Hidden in records and on pages: {hidden}."

    def _asked(self, rule: RuleFacts) -> Iterator[str]:
        """Yield who is asked, and what of them."""
        voters = self.voters(rule.quorum, rule.approver_group)
        if rule.verdict == "hold":
            yield sentence(f"{_at_stage(rule)}{voters}")
        elif rule.verdict == "none" and (rule.quorum > 1 or rule.approver_group):
            yield sentence(f"If a person is asked, {_at_stage(rule)}{voters}")
        if rule.step_up and rule.verdict != "deny":
            yield "Whoever approves must sign in again just before."
        if rule.verdict != "deny":
            yield from (sentence(level_words(level, rule.clock)) for level in rule.levels)
        if rule.note:
            yield f"They are asked to look at this: {sentence(rule.note)}"

    def _read_by(self, rule: RuleFacts) -> list[MeasureDefinition]:
        """Return what a rule goes by: how often, how much, or whether something was done before."""
        read = [path.parts[1] for path in expressions.paths(rule.condition) if path.parts[0] == "measures"][:20]
        return [self.measures[code] for code in sorted(set(read)) if code in self.measures]

    def _goes_by(self, counter: MeasureDefinition) -> str:
        """Return what a counter counts: of a sequence, what has to have been done before, and for what."""
        apart = f", apart for each {spoken(counter.key)}" if counter.key.strip() else ""
        here = spoken(counter.read_key)
        read = f", and read here for its {here}" if counter.read_for and here else ""
        return f"It goes by what is counted as “{counter.name}”: {_window_words(counter)}{apart}{read}."

    def _counter(self, counter: MeasureDefinition) -> list[str]:
        """Return what a counter means to the rules that read it; its ceiling is a clause of its own."""
        return [
            counter.name, counter.scope_kind, counter.scope_id, counter.operations, counter.key, counter.amount,
            counter.unit, counter.window, str(counter.window_seconds or 0), counter.read_for, counter.read_key,
        ]  # fmt: skip

    def _exactly(self, rule: RuleFacts) -> Iterator[str]:
        if not rule.condition:
            yield "It applies to every such call."
        elif built := lines.as_built(rule, self.currency):
            said = sentence(lines.sentence_of(built, self.currency, rule.verdict))
            if said.casefold() != sentence(rule.sentence).casefold():
                yield f"Exactly: {said}"
        else:
            yield "Its exact condition was written by hand and is kept with the rule."

    def _about(self, reach: Reach) -> str:
        if set(reach.codes) == set(self.granted):
            return ""
        return f"This is about: {series(sorted(self.granted[code].name for code in reach.codes))}."

    def _policy(self, rule: RuleFacts) -> str:
        name = self.names.policies.get(rule.policy_id, rule.policy_code)
        return f"{name}, for {self._scope(rule.scope_kind, rule.scope_id)}"

    def _scope(self, kind: str, key: str) -> str:
        if kind == "company":
            return "the whole company"
        if kind == "agent":
            return f"{self.agent.name} alone"
        label = self.names.scopes.get((kind, key), "")
        return f"the {kind} {label}".rstrip()


def counted_words(measure: MeasureDefinition, currency: str) -> str:
    """Return how much a limit lets through: ``at most 20 per day``."""
    number = wording.number_words(measure.unit, measure.ceiling or 0, currency)
    if measure.unit == RUNNING or (measure.unit == FAILURES and measure.window == "ever"):
        return f"at most {number}"
    plain = measure.amount.strip() in ("1", "amount")
    adds = "" if plain else f", where each call adds its {spoken(measure.amount) or 'own number'}"
    return f"at most {number} {_window_words(measure)}{adds}"


def budget_words(measure: MeasureDefinition, currency: str) -> tuple[str, str]:
    """Return what a budget of model use says, and what happens once it is spent."""
    number = wording.number_words(measure.unit, measure.ceiling or 0, currency)
    per_run = measure.key.strip() == PER_RUN
    window = _window_words(measure)
    if per_run:
        window = "in each run" if measure.window == "ever" else f"in each run, {window}"
    where = "that run" if per_run else "that time"
    beyond = wording.beyond_words(measure.on_exceed)
    return (
        sentence(f"{measure.name}: at most {number} of model use {window}"),
        f"Once it is spent, whatever it asks for in {where} {beyond}.",
    )


def _window_words(measure: MeasureDefinition) -> str:
    return _WINDOW.get(measure.window, f"in any {span(measure.window_seconds or 0)}")


def _at_stage(rule: RuleFacts) -> str:
    return f"once those of the stages before have agreed, at stage {rule.stage}, " if rule.stage > 1 else ""


def of_throttle(throttle: ThrottleFacts) -> Clause:
    """Return the clause of a throttle; an agent is not told how many work beside it."""
    parts = [f"{throttle.most_at_once:,} at once"] if throttle.most_at_once else []
    parts += [f"{throttle.most:,} in any {span(throttle.per_seconds or 0)}"] if throttle.most else []
    together = "" if throttle.scope_kind == "agent" else " by all agents together"
    return Clause(
        f"{throttle.label}: at most {series(parts)}{together}. What is more waits for its turn.",
        {
            "throttle": [throttle.scope_kind, throttle.scope_id],
            "most_at_once": throttle.most_at_once or 0,
            "most": throttle.most or 0,
            "per_seconds": throttle.per_seconds or 0,
        },
        people_only=True,
    )
