"""What a change of authority lets whom do, in sentences: two worlds are compared, before and after.

Pure. Only what reaches an agent at work is called a change for it: a rule counts through the granted
operations it speaks of. What is looser stands first. A field that nobody has words for is still said, by its
name: what may let more pass is never silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from agents.decision import expressions
from agents.decision.agents_compared import AgentsCompared
from agents.decision.facts import AgentFacts, MeasureDefinition, Mode, RuleFacts
from agents.decision.limits_compared import LimitCase, limit_difference
from agents.decision.rules_compared import RuleCase, rule_difference
from agents.decision.said import NOTHING, Said, looser, tighter, who
from agents.decision.worlds import Authority, Reached, World

__all__ = ["Authority", "authority_difference"]

_OF_COMPANY = {"company_currency": "Amounts in rules and limits", "time_zone": "Days and hours"}


def authority_difference(before: Authority, after: Authority) -> tuple[Said, ...]:
    """Return what is different for whom, looser first; when it is nothing for anybody, one sentence says so."""
    found = dict.fromkeys(_Comparison(before, after).found())
    ordered = tuple(sorted(found, key=lambda said: not said.is_looser))
    return ordered or (tighter(f"{NOTHING}: no agent at work is concerned."),)


class _Comparison:
    def __init__(self, before: Authority, after: Authority) -> None:
        self.before, self.after, self.names = World(before), World(after), after.names

    def found(self) -> Iterator[Said]:
        yield from self._company()
        compared = AgentsCompared(self.before, self.after, self.names.systems)
        yield from compared.files()
        yield from compared.grants()
        yield from self._rules()
        yield from self._limits()

    def _company(self) -> Iterator[Said]:
        for name, label in _OF_COMPANY.items():
            was, now = getattr(self.before.snapshot, name), getattr(self.after.snapshot, name)
            if was != now:
                yield looser(f"{label} are read in {now} instead of {was}, for every agent")

    @cached_property
    def _moved(self) -> list[str]:
        """The agents at work that other rules may bind than before: another place or role."""
        old = self.before.agents
        return [
            key
            for key, agent in self.after.agents.items()
            if key in old
            and _place(old[key]) != _place(agent)
            and agent.lifecycle == old[key].lifecycle == "active"
        ]

    def _rules(self) -> Iterator[Said]:
        old = {rule.rule_id: rule for rule in self.before.snapshot.rules}
        new = {rule.rule_id: rule for rule in self.after.snapshot.rules}
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                yield from rule_difference(self._rule_case(old.get(key), new.get(key)))
            elif self._moved and new[key].mode == Mode.ENFORCED:
                yield from self._bound_anew(new[key])

    def _rule_case(self, old: RuleFacts | None, new: RuleFacts | None) -> RuleCase:
        return RuleCase(
            old=old,
            new=new,
            before=self.before.of_rule(old, self.before.at_work),
            after=self.after.of_rule(new, self.after.at_work),
            operations=self.after.operations,
            currency=self.after.snapshot.company_currency,
            ordinary_approvers=self.names.ordinary_approvers,
            scope_words=(self._scope(old), self._scope(new)),
            others=lambda agents: self._others(new, agents),
        )

    def _others(
        self, changed: RuleFacts | None, agents: Iterable[AgentFacts]
    ) -> Iterator[tuple[RuleFacts, Reached]]:
        known = list(agents)
        for rule in self.after.snapshot.rules:
            if rule.mode == Mode.ENFORCED and (changed is None or rule.rule_id != changed.rule_id):
                yield rule, self.after.of_rule(rule, known)

    def _bound_anew(self, rule: RuleFacts) -> Iterator[Said]:
        was = self.before.of_rule(rule, [self.before.agents[key] for key in self._moved])
        now = self.after.of_rule(rule, [self.after.agents[key] for key in self._moved])
        if lost := [agent for key, (agent, _) in was.items() if key not in now]:
            yield looser(f"No longer binds {who(lost)}: {rule.sentence or rule.name}")
        if gained := [agent for key, (agent, _) in now.items() if key not in was]:
            yield tighter(f"Binds {who(gained)} from now on: {rule.sentence or rule.name}")

    def _limits(self) -> Iterator[Said]:
        old = {measure.measure_id: measure for measure in self.before.snapshot.measures}
        new = {measure.measure_id: measure for measure in self.after.snapshot.measures}
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                yield from limit_difference(self._limit_case(old.get(key), new.get(key)))
            elif self._moved and new[key].mode == Mode.ENFORCED and new[key].ceiling is not None:
                yield from self._limited_anew(new[key])

    def _limit_case(self, old: MeasureDefinition | None, new: MeasureDefinition | None) -> LimitCase:
        measure = new or old
        return LimitCase(
            old=old,
            new=new,
            before=self.before.of_limit(old, self.before.at_work),
            after=self.after.of_limit(new, self.after.at_work),
            currency=self.after.snapshot.company_currency,
            scope_words=(self._scope(old), self._scope(new)),
            read_by=self._readers(measure.code) if measure else [],
        )

    def _limited_anew(self, measure: MeasureDefinition) -> Iterator[Said]:
        was = self.before.of_limit(measure, [self.before.agents[key] for key in self._moved])
        now = self.after.of_limit(measure, [self.after.agents[key] for key in self._moved])
        had, has = ({agent.agent_id for agent in found} for found in (was, now))
        if lost := [agent for agent in was if agent.agent_id not in has]:
            yield looser(f"No longer limits {who(lost)}: {measure.name}")
        if gained := [agent for agent in now if agent.agent_id not in had]:
            yield tighter(f"Limits {who(gained)} from now on: {measure.name}")

    def _readers(self, code: str) -> list[RuleFacts]:
        return [
            rule
            for rule in self.after.snapshot.rules
            if rule.mode != Mode.DRAFT and expressions.reads_measure(rule.condition, code)
        ]

    def _scope(self, bound: RuleFacts | MeasureDefinition | None) -> str:
        if bound is None or bound.scope_kind == "company":
            return "the whole company"
        name = self.names.scopes.get((bound.scope_kind, bound.scope_id), "")
        return f"the {bound.scope_kind} {name}".rstrip() if name or bound.scope_kind != "agent" else "an agent"


def _place(agent: AgentFacts) -> tuple[object, ...]:
    return agent.department_ids, agent.role_id, agent.group_ids
