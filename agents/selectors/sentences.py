"""One rule and one limit as a person reads them, whoever is bound by them."""

from __future__ import annotations

from agents.decision import wording
from agents.decision.budgets import is_budget
from agents.decision.levels import length_words, level_words, levels_on_record
from agents.decision.speech import people, sentence
from agents.decision.terms import budget_words, counted_words
from agents.models import Measure, Rule
from agents.selectors.authority import company_currency, measure_definition

_VERDICT = {"deny": "It is refused.", "none": "It only adds duties."}


def rule_words(rule: Rule) -> list[str]:
    """Return what a rule says: its sentence, who must agree, and who is asked later."""
    found = [sentence(rule.sentence)]
    if rule.verdict == Rule.Verdict.HOLD:
        who = rule.approver_group.name if rule.approver_group else "those who may approve"
        found.append(sentence(f"{people(rule.quorum)} of {who} must agree"))
    elif rule.verdict in _VERDICT:
        found.append(_VERDICT[rule.verdict])
    if rule.remind_minutes:
        found.append(f"They are reminded after {length_words(rule.remind_minutes, rule.clock)}.")
    found += [sentence(level_words(level, rule.clock)) for level in levels_on_record(rule.levels)]
    if rule.note:
        found.append(f"They are asked to look at this: {sentence(rule.note)}")
    return found


def limit_words(measure: Measure) -> str:
    """Return what a limit says: how much, in which time, and what happens to more."""
    if measure.ceiling is None:
        return sentence(f"{measure.name}: it is counted and not limited")
    definition = measure_definition(measure)
    beyond = wording.beyond_words(measure.on_exceed)
    if wording.is_no_duplicate(definition):
        return f"{measure.name}: never twice for the same. A second time {beyond}."
    if is_budget(definition):
        return " ".join(budget_words(definition, company_currency()))
    most = counted_words(definition, company_currency())
    return f"{sentence(f'{measure.name}: {most}')} What is more {beyond}."
