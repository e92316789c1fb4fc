"""What one rule, limit or throttle is in a contract: the sentence people read, and the terms behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agents.decision import expressions, lines, wording
from agents.decision.contract import Clause, ContractFacts, ThrottleFacts
from agents.decision.facts import MeasureDefinition, OperationFacts, RuleFacts
from agents.decision.levels import later_of, level_words
from agents.decision.reach import Reach
from agents.decision.speech import people, sentence, series, span, spoken

BROKEN = "It cannot be checked as it is written, so what it might concern is refused until it is corrected."


class Terms:
    """Writes clauses for one agent, in the names that its contract uses."""

    def __init__(self, facts: ContractFacts, granted: Mapping[str, OperationFacts]) -> None:
        self.agent, self.names, self.granted = facts.agent, facts.names, granted
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
                **later_of(rule),
            },
            tuple(self._details(rule, reach)),
            origin=f"{self._policy(rule)}{mark}",
        )

    def of_limit(self, measure: MeasureDefinition, reach: Reach, mark: str = "") -> Clause:
        """Return the clause of a limit; ``mark`` says that it is not in force."""
        counted = [] if wording.is_no_duplicate(measure) else [self._counted(measure)]
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
        if "clock" in {path.parts[0] for path in expressions.paths(rule.condition)}:
            yield f"Days and hours are those of {self.time_zone}."
        if rule.verdict == "hold":
            yield sentence(self.voters(rule.quorum, rule.approver_group))
        elif rule.verdict == "none" and (rule.quorum > 1 or rule.approver_group):
            yield sentence(f"If a person is asked, {self.voters(rule.quorum, rule.approver_group)}")
        if rule.verdict != "deny":
            yield from (sentence(level_words(level, rule.clock)) for level in rule.levels)
        if rule.note:
            yield f"They are asked to look at this: {sentence(rule.note)}"
        if rule.redact:
            hidden = series(
                " ".join(path.split(".")[1:] or [path]).replace("_", " ") for path in sorted(rule.redact)
            )
            yield f"Hidden in records and on pages: {hidden}."

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

    def _counted(self, measure: MeasureDefinition) -> str:
        ceiling = measure.ceiling or 0
        number = wording.number_words(measure.unit, ceiling, self.currency)
        window = {
            "hour": "per hour (UTC)",
            "day": "per day (UTC)",
            "month": "per month (UTC)",
            "ever": "in all, for ever",
            "rolling": f"in any {span(measure.window_seconds or 0)}",
        }.get(measure.window, "")
        plain = measure.amount.strip() in ("1", "amount")
        adds = "" if plain else f", where each call adds its {spoken(measure.amount) or 'own number'}"
        return f"at most {number} {window}{adds}"


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
