"""What a change of agents' files and grants lets whom do, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from agents.decision.facts import AgentFacts, Mode, OperationFacts
from agents.decision.said import Said, deeds, looser, shown, tighter, who
from agents.decision.speech import series
from agents.decision.worlds import World

_FREEDOM = {"read_only": 0, "hold_writes": 1, "by_contract": 2}
_FREELY = {
    "read_only": "may only read",
    "hold_writes": "has everything it writes approved by a person",
    "by_contract": "does by itself what its contract allows",
}
_OF_FILE = {
    "risk_tier": "The harm a mistake of {name} could do is rated",
    "attest_by": "{name} is to be confirmed by",
}


class AgentsCompared:
    """The agents of two worlds, before and after."""

    def __init__(self, before: World, after: World, systems: Mapping[str, str]) -> None:
        self.before, self.after, self.systems = before, after, systems

    def files(self) -> Iterator[Said]:
        """Yield what of lifecycle, autonomy, risk and attestation is different."""
        for key, new in self.after.agents.items():
            old = self.before.agents.get(key)
            if old is not None and old is not new and old != new:
                yield from self._of_agent(old, new)

    def _of_agent(self, old: AgentFacts, new: AgentFacts) -> Iterator[Said]:
        if old.lifecycle != new.lifecycle:
            yield from self._starts(new)
            old = replace(old, on_probation=new.on_probation)  # said where it starts
        if old.autonomy != new.autonomy:
            more = _FREEDOM.get(new.autonomy, 9) > _FREEDOM.get(old.autonomy, -1)
            now, until_now = (_FREELY.get(it.autonomy, it.autonomy) for it in (new, old))
            yield (looser if more else tighter)(f"{new.name} {now}; until now it {until_now}")
            if more and new.autonomy == "by_contract":
                yield from self._alone(new, self.after.held(new))
        if old.on_probation != new.on_probation:
            yield from self._probation(new)
        for name, words in _OF_FILE.items():
            was, now = getattr(old, name), getattr(new, name)
            if was != now:
                yield looser(f"{words.format(name=new.name)} {shown(now)} instead of {shown(was)}")

    def _probation(self, agent: AgentFacts) -> Iterator[Said]:
        if agent.on_probation:
            yield tighter(f"{agent.name} is on probation: a person approves everything it writes")
            return
        freely = _FREELY.get(agent.autonomy, agent.autonomy)
        yield looser(f"The probation of {agent.name} ends: it {freely}")
        yield from self._alone(agent, self.after.held(agent))

    def _starts(self, agent: AgentFacts) -> Iterator[Said]:
        if agent.lifecycle != "active":
            yield tighter(f"{agent.name} no longer works")
            return
        held = self.after.held(agent)
        what = f": it may {deeds(held, self.after.operations)}" if held else ""
        yield looser(f"Lets {agent.name} start work{what}")
        if not held:
            yield tighter(f"{agent.name} may use no operation yet, so it can do nothing")
        elif agent.on_probation:
            yield tighter(f"{agent.name} is on probation: a person approves everything it writes")
        elif agent.autonomy != "by_contract":
            yield tighter(f"{agent.name} {_FREELY.get(agent.autonomy, agent.autonomy)}")
        else:
            yield from self._alone(agent, held)

    def _alone(self, agent: AgentFacts, held: Mapping[str, OperationFacts]) -> Iterator[Said]:
        """Say what no rule holds or refuses: it happens without a person."""
        if agent.autonomy != "by_contract" or agent.on_probation:
            return
        free = {code for code, operation in held.items() if operation.effect != "read"}
        for rule in self.after.snapshot.rules:
            if rule.mode == Mode.ENFORCED and rule.verdict in ("hold", "deny"):
                free -= {code for _, codes in self.after.of_rule(rule, [agent]).values() for code in codes}
        if free:
            yield looser(f"No rule holds or refuses it when {agent.name} would {deeds(free, held)}")

    def grants(self) -> Iterator[Said]:
        """Yield which operations and systems agents reach anew, or no longer."""
        groups: dict[tuple[frozenset[str], frozenset[str]], list[AgentFacts]] = {}
        same = self.before.grants_alike(self.after)
        for key, agent in self.after.agents.items():
            if (old := self.before.agents.get(key)) is not None and old.lifecycle == agent.lifecycle:
                if same and old is agent:
                    continue
                had, has = set(self.before.held(old)), set(self.after.held(agent))
                if had != has:
                    groups.setdefault((frozenset(has - had), frozenset(had - has)), []).append(agent)
        for (gained, lost), agents in groups.items():
            yield from self._gained(gained, agents)
            if lost:
                yield tighter(f"{who(agents)} may no longer {deeds(lost, self.before.operations)}")

    def _gained(self, codes: frozenset[str], agents: list[AgentFacts]) -> Iterator[Said]:
        if not codes:
            return
        operations = self.after.operations
        yield looser(f"Lets {who(agents)} {deeds(codes, operations)}")
        known = {
            operation.system_id for agent in agents for operation in self.before.held(self._was(agent)).values()
        }
        new = {operations[code].system_id: operations[code].system_code for code in sorted(codes)}
        reached = [self.systems.get(key, code) for key, code in new.items() if key not in known]
        if reached:
            count = "one new system" if len(reached) == 1 else f"{len(reached)} new systems"
            yield looser(f"Reaches {count}: {series(reached)}")
        for agent in agents[:3]:
            yield from self._alone(agent, {code: operations[code] for code in codes})

    def _was(self, agent: AgentFacts) -> AgentFacts:
        return self.before.agents.get(agent.agent_id, agent)
