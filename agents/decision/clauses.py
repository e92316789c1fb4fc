"""The sentences of a contract: who answers, what is allowed, what asks a person, what never, limits, brakes.

Only what reaches the agent is written down: a rule counts through the granted operations it speaks of, so that
one about operations the agent may not use neither fills its contract nor changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from agents.decision import expressions, lines, wording
from agents.decision.contract import Clause, Contract, ContractFacts, Section, ThrottleFacts, digest_of
from agents.decision.facts import Effect, MeasureDefinition, Mode, OperationFacts, RuleFacts, StopFacts
from agents.decision.patterns import pattern_matches, scope_binds

BROKEN = "It cannot be checked as it is written, so what it might concern is refused until it is corrected."
UNDESCRIBED = "has an effect that nobody has described, so it is refused"
_EFFECT = {
    Effect.READ.value: "only reads",
    Effect.WRITE.value: "changes records",
    Effect.FINANCIAL.value: "moves money or commits to it",
    Effect.DESTRUCTIVE.value: "destroys data",
}
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_BEYOND = {"hold": "waits for a person", "pause": "is refused, and the agent is paused"}
_SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_LIFECYCLE = {
    "draft": "It has not started work: everything is refused until a second person activates it.",
    "retired": "It has been retired: everything is refused, for good.",
}
_BRAKE = {
    "paused": "It is paused: every call is refused until a person lifts the brake.",
    "suspended": "It is suspended: its access is closed until a person lifts the brake.",
}
_STAGE = {"look": "it may only read until then", "held": "a person approves every write until then"}


def write_contract(facts: ContractFacts) -> Contract:
    """Return the contract of an agent; the same facts in any order give the same digest."""
    return _Writer(facts).contract()


@dataclass(frozen=True, slots=True)
class _Reach:
    """Which granted operations a rule or limit speaks of; ``broken`` when that cannot be told: then all."""

    codes: tuple[str, ...]
    broken: bool = False


class _Writer:
    def __init__(self, facts: ContractFacts) -> None:
        self.facts, self.agent, self.names = facts, facts.agent, facts.names
        self.currency = facts.snapshot.company_currency
        self.granted = {it.code: it for it in _granted(facts)}
        reached_rules = ((it, self._reach_of_rule(it)) for it in facts.snapshot.rules)
        reached_limits = ((it, self._reach_of_limit(it)) for it in facts.snapshot.measures)
        self.rules = sorted(
            ((it, reach) for it, reach in reached_rules if reach.codes), key=lambda each: each[0].rule_id
        )
        self.limits = sorted(
            ((it, reach) for it, reach in reached_limits if reach.codes and it.ceiling is not None),
            key=lambda each: each[0].measure_id,
        )

    def contract(self) -> Contract:
        sections = (
            Section("who", "Who it is, and who answers for it", tuple(self._who())),
            Section("may", "What it may do", tuple(self._may()), "Nothing: no operation is granted to it."),
            Section("ask", "What it must ask a person for, and whom", tuple(self._ask())),
            Section("never", "What it may never do", tuple(self._never())),
            Section("limits", "How much, and how often", tuple(self._limits()), "No limit binds it."),
            Section("duties", "What else applies", tuple(self._duties()), "Nothing else."),
            Section("stop", "How it can be stopped", tuple(self._stop())),
        )
        return Contract(
            agent_id=self.agent.agent_id,
            name=self.agent.name,
            sections=sections,
            standing=tuple(self._standing()),
            pending=tuple(self._pending()),
            digest=digest_of(self.agent.agent_id, sections),
        )

    def _who(self) -> Iterator[Clause]:
        agent, names = self.agent, self.names
        yield Clause(
            f"{agent.name} works as {names.role} in {names.department}.",
            {"code": agent.code, "role": agent.role_id, "departments": list(agent.department_ids)},
        )
        yield Clause(f"What it is for: {sentence(self.facts.purpose)}", {"purpose": self.facts.purpose})
        yield Clause(f"{names.sponsor} answers for it.", {"sponsor": agent.sponsor_id})
        if agent.deputy_id:
            words = f"{names.deputy} answers for it when {names.sponsor} is away."
            yield Clause(words, {"deputy": agent.deputy_id}, people_only=True)
        yield Clause(
            f"The harm a mistake of it could do is rated {agent.risk_tier}.", {"risk": agent.risk_tier}
        )
        if agent.attest_by is not None:
            yield Clause(
                f"{names.sponsor} confirms by {day(agent.attest_by)} that it is still needed. "
                "After that day everything is refused until this is done.",
                {"attest_by": agent.attest_by.isoformat()},
            )

    def _may(self) -> Iterator[Clause]:
        ordered = sorted(self.granted.values(), key=lambda it: (self._system(it), it.name, it.code))
        for operation in ordered:
            reads_only = self.agent.autonomy == "read_only" and operation.effect != Effect.READ
            yield Clause(
                f"{operation.name}: it {_EFFECT.get(operation.effect, UNDESCRIBED)}.",
                {
                    "operation": operation.code,
                    "system": operation.system_id,
                    "environment": operation.environment,
                    "effect": operation.effect,
                    "money": operation.money_path,
                },
                ("Refused for now: it may only read.",) if reads_only else (),
                heading=self._system(operation),
            )

    def _system(self, operation: OperationFacts) -> str:
        name = self.names.systems.get(operation.system_id, operation.system_code)
        return name if operation.environment == "production" else f"{name} ({operation.environment})"

    def _ask(self) -> Iterator[Clause]:
        if self.agent.autonomy == "hold_writes":
            who = self._voters(1, "")
            text = f"Everything it writes: {who} before it is done."
            yield Clause(text, {"autonomy": "hold_writes", "of": self.names.ordinary_approvers})
        elif self.agent.autonomy == "by_contract":
            text = "What this contract allows it does by itself; only what is listed here waits for a person."
            yield Clause(text, {"autonomy": "by_contract"})
        for rule, reach in self._in_force("hold"):
            yield self._of_rule(rule, reach)
        for measure, reach in self._never_twice("hold"):
            yield self._of_limit(measure, reach)
        if any(operation.money_path for operation in self.granted.values()):
            text = f"Money in a currency that the company has no exchange rate for: {self._voters(1, '')}."
            yield Clause(text, {"no_rate": "hold", "of": self.names.ordinary_approvers})
        yield Clause(
            "Where several of these apply, all of them count: "
            "the largest number of people, each in every group named.",
            {"obligations": "add_up"},
        )
        yield Clause(
            "Who is asked is always a person and never the agent itself. "
            "What nobody decides in time is refused.",
            {"asked": "people", "expired": "refused"},
        )

    def _never(self) -> Iterator[Clause]:
        if self.agent.autonomy not in ("by_contract", "hold_writes"):
            yield Clause("Write anything: it may only read.", {"autonomy": self.agent.autonomy})
        for rule, reach in self._in_force("deny"):
            yield self._of_rule(rule, reach)
        for measure, reach in self._never_twice("deny"):
            yield self._of_limit(measure, reach)
        yield Clause("Anything that is not listed under what it may do.", {"default": "deny"})
        yield Clause(
            "Approve, change its own contract, grant anything, or lift a stop: only people can.",
            {"agents": "decide_nothing"},
        )

    def _limits(self) -> Iterator[Clause]:
        for measure, reach in self.limits:
            if measure.mode not in (Mode.DRAFT, Mode.SHADOW) and not wording.is_no_duplicate(measure):
                yield self._of_limit(measure, reach)
        for throttle in sorted(self.facts.throttles, key=lambda it: (it.scope_kind, it.scope_id, repr(it))):
            if self._concerns(throttle):
                yield _of_throttle(throttle)

    def _duties(self) -> Iterator[Clause]:
        for rule, reach in self._in_force("none"):
            yield self._of_rule(rule, reach)

    def _stop(self) -> Iterator[Clause]:
        yield Clause(
            "Its sponsor, its deputy, any manager and any operator may pause or suspend it at any moment: "
            "from then on every call is refused.",
            {"brake": "sponsor_deputy_manager_operator"},
        )
        yield Clause(
            "A stop of everything, its department, its role, a system or an operation stops it there too.",
            {"stop": "scopes"},
        )
        yield Clause("Only a manager lets it go on; nothing starts again by itself.", {"lift": "manager"})

    def _in_force(self, verdict: str) -> Iterator[tuple[RuleFacts, _Reach]]:
        for rule, reach in self.rules:
            counts_as = rule.verdict if rule.verdict in ("hold", "none") and not reach.broken else "deny"
            if rule.mode not in (Mode.DRAFT, Mode.SHADOW) and counts_as == verdict:
                yield rule, reach

    def _never_twice(self, on_exceed: str) -> Iterator[tuple[MeasureDefinition, _Reach]]:
        for measure, reach in self.limits:
            counts_as = "hold" if measure.on_exceed == "hold" else "deny"
            enforced = measure.mode not in (Mode.DRAFT, Mode.SHADOW)
            if enforced and counts_as == on_exceed and wording.is_no_duplicate(measure):
                yield measure, reach

    def _pending(self) -> Iterator[Clause]:
        for rule, reach in self.rules:
            if rule.mode in (Mode.DRAFT, Mode.SHADOW):
                yield self._of_rule(rule, reach, f" ({rule.mode})")
        for measure, reach in self.limits:
            if measure.mode in (Mode.DRAFT, Mode.SHADOW):
                yield self._of_limit(measure, reach, f" ({measure.mode})")

    def _of_rule(self, rule: RuleFacts, reach: _Reach, mark: str = "") -> Clause:
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
                **({"later": [rule.escalate_to, rule.escalate_minutes]} if rule.escalate_to else {}),
            },
            tuple(self._details(rule, reach)),
            origin=f"{self._policy(rule)}{mark}",
        )

    def _read_in(self, expression: str) -> list[str]:
        """Return what else a condition depends on: the currency of ``amount``, the zone of the clock."""
        names = {path.parts[0] for path in expressions.paths(expression)}
        units = {"amount": self.currency, "clock": self.facts.snapshot.time_zone}
        return [unit for name, unit in units.items() if name in names]

    def _details(self, rule: RuleFacts, reach: _Reach) -> Iterator[str]:
        if reach.broken:
            yield BROKEN
        elif about := self._about(reach):
            yield about
        yield from self._exactly(rule)
        if "clock" in {path.parts[0] for path in expressions.paths(rule.condition)}:
            yield f"Days and hours are those of {self.facts.snapshot.time_zone}."
        if rule.verdict == "hold":
            yield sentence(self._voters(rule.quorum, rule.approver_group))
        elif rule.verdict == "none" and (rule.quorum > 1 or rule.approver_group):
            yield sentence(f"If a person is asked, {self._voters(rule.quorum, rule.approver_group)}")
        if rule.escalate_to and rule.verdict != "deny":
            yield f"Undecided after {rule.escalate_minutes} minutes, {rule.escalate_to} may decide it, too."
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

    def _voters(self, quorum: int, group: str) -> str:
        who = group or self.names.ordinary_approvers or "those who may approve"
        if quorum <= 1:
            return f"one person of {who} must agree"
        return f"{_NUMBERS[quorum] if quorum < len(_NUMBERS) else quorum} people of {who} must agree"

    def _about(self, reach: _Reach) -> str:
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

    def _of_limit(self, measure: MeasureDefinition, reach: _Reach, mark: str = "") -> Clause:
        counted = [] if wording.is_no_duplicate(measure) else [self._counted(measure)]
        apart = spoken(measure.key) if measure.key.strip() else ""
        details = [BROKEN] if reach.broken else [about] if (about := self._about(reach)) else []
        if counted and apart:
            details.append(f"Counted apart for each {apart}.")
        if measure.scope_kind != "agent" and counted:
            details.append(f"Counted together for {self._scope(measure.scope_kind, measure.scope_id)}.")
        more = _BEYOND.get(measure.on_exceed, "is refused")
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

    def _concerns(self, throttle: ThrottleFacts) -> bool:
        return throttle.scope_id in {
            "agent": {self.agent.agent_id},
            "operation": set(self.granted),
            "system": {it.system_id for it in self.granted.values()},
        }.get(throttle.scope_kind, set())

    def _reach_of_rule(self, rule: RuleFacts) -> _Reach:
        return self._reach(rule.scope_kind, rule.scope_id, rule.operations, rule.effects)

    def _reach_of_limit(self, measure: MeasureDefinition) -> _Reach:
        return self._reach(measure.scope_kind, measure.scope_id, measure.operations)

    def _reach(self, kind: str, key: str, pattern: str, effects: tuple[str, ...] = ()) -> _Reach:
        try:
            if not scope_binds(kind, key, self.agent):
                return _Reach(())
            found = [
                code
                for code, operation in self.granted.items()
                if pattern_matches(pattern, code) and (not effects or operation.effect in effects)
            ]
        except ValueError:
            return _Reach(tuple(sorted(self.granted)), broken=True)
        return _Reach(tuple(sorted(found)))

    def _standing(self) -> Iterator[str]:
        agent = self.agent
        if self.facts.snapshot.policies < 1:
            yield "No policy of the company is loaded: everything is refused."
        if agent.lifecycle != "active":
            yield _LIFECYCLE.get(agent.lifecycle, "It is not active: everything is refused.")
        if agent.brake != "none":
            yield _BRAKE.get(agent.brake, _BRAKE["suspended"])
        if not agent.sponsor_active:
            yield f"{self.names.sponsor} has no active account: everything is refused until it has a sponsor."
        if agent.attest_by is not None and self.facts.today > agent.attest_by:
            yield f"It had to be confirmed by {day(agent.attest_by)}: everything is refused until this is done."
        for stop in sorted(self.facts.snapshot.stops, key=lambda it: it.stop_id):
            if self._stopped_by(stop):
                until = _STAGE.get(stop.stage, "every such call is refused until it is lifted")
                yield f"{stop.scope_label or 'Everything'} is stopped: {until}."

    def _stopped_by(self, stop: StopFacts) -> bool:
        return stop.scope_kind == "everything" or stop.scope_id in {
            "department": set(self.agent.department_ids),
            "role": {self.agent.role_id},
            "agent": {self.agent.agent_id},
            "operation": set(self.granted),
            "system": {it.system_id for it in self.granted.values()},
        }.get(stop.scope_kind, set())


def _granted(facts: ContractFacts) -> Iterator[OperationFacts]:
    """Yield the operations that are switched on and granted to the agent or to a group it is in, each once."""
    holders = {("user", facts.agent.user_id), *(("group", key) for key in facts.agent.group_ids)}
    codes = {it.operation for it in facts.snapshot.grants if (it.holder_kind, it.holder_id) in holders}
    for code in sorted(codes):
        if operation := facts.operations.get(code):
            yield operation


def _of_throttle(throttle: ThrottleFacts) -> Clause:
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


def sentence(text: str) -> str:
    """Return a text as one sentence: a capital letter first, a full stop last."""
    said = " ".join(text.split())
    if said and said[-1] not in ".!?":
        said += "."
    return said[:1].upper() + said[1:]


def series(words: Iterable[str]) -> str:
    """Return ``a, b and c``."""
    found = list(words)
    return f"{', '.join(found[:-1])} and {found[-1]}" if len(found) > 1 else "".join(found)


def span(seconds: int) -> str:
    """Return a length of time in the largest whole unit, to stand after "any": ``hour``, ``90 seconds``."""
    size, name = next((it for it in _SPANS if seconds and seconds % it[0] == 0), (1, "second"))
    count = seconds // size
    return name if count == 1 else f"{count:,} {name}s"


def spoken(expression: str) -> str:
    """Return what a CEL text reads, in words: ``supplier and number``; never the CEL itself."""
    found = (
        path.parts[1:] if path.parts[0] == "args" else path.parts for path in expressions.paths(expression)
    )
    return series(dict.fromkeys(" ".join(parts).replace("_", " ") for parts in found if parts))


def day(value: Any) -> str:
    """Return a date as people write it: ``1 January 2027``."""
    return f"{value.day} {value:%B %Y}"
