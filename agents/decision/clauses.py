"""The sentences of a contract: who answers, what is allowed, what asks a person, what never, limits, brakes.

Only what reaches the agent is written down: a rule counts through the granted operations it speaks of, so that
one about operations the agent may not use neither fills its contract nor changes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from agents.decision import wording
from agents.decision.budgets import is_budget
from agents.decision.contract import Clause, Contract, ContractFacts, Section, ThrottleFacts, digest_of
from agents.decision.employment import is_overdue
from agents.decision.facts import Effect, MeasureDefinition, Mode, OperationFacts, RuleFacts, StopFacts
from agents.decision.gates import grace_of
from agents.decision.patterns import scope_binds
from agents.decision.reach import Reach, granted, reach_of_limit, reach_of_rule
from agents.decision.speech import day, sentence
from agents.decision.terms import Terms, of_throttle

UNDESCRIBED = "has an effect that nobody has described, so it is refused"
_EFFECT = {
    Effect.READ.value: "only reads",
    Effect.WRITE.value: "changes records",
    Effect.FINANCIAL.value: "moves money or commits to it",
    Effect.DESTRUCTIVE.value: "destroys data",
}
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


class _Writer:
    def __init__(self, facts: ContractFacts) -> None:
        self.facts, self.agent, self.names = facts, facts.agent, facts.names
        self.granted = {it.code: it for it in granted(self.agent, facts.snapshot.grants, facts.operations)}
        self.terms = Terms(facts, self.granted)
        reached_rules = ((it, reach_of_rule(it, self.agent, self.granted)) for it in facts.snapshot.rules)
        reached_limits = ((it, reach_of_limit(it, self.agent, self.granted)) for it in facts.snapshot.measures)
        self.rules = sorted(
            ((it, reach) for it, reach in reached_rules if reach.codes), key=lambda each: each[0].rule_id
        )
        self.limits = sorted(
            ((it, reach) for it, reach in reached_limits if it.ceiling is not None and self._binds(it, reach)),
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

    def _binds(self, limit: MeasureDefinition, reach: Reach) -> bool:
        """A budget binds by its scope alone; any other limit through the granted operations it counts."""
        if is_budget(limit) and not reach.broken:
            return scope_binds(limit.scope_kind, limit.scope_id, self.agent)
        return bool(reach.codes)

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
        grace = grace_of(agent.role_id, self.facts.snapshot)
        if agent.attest_by is not None:
            yield Clause(
                f"{names.sponsor} confirms by {day(agent.attest_by)} that it is still needed. "
                f"{_after(grace)} it may only read until this is done and two people give it back the rest.",
                {"attest_by": agent.attest_by.isoformat(), "grace_days": grace},
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
            who = self.terms.voters(1, "")
            text = f"Everything it writes: {who} before it is done."
            yield Clause(text, {"autonomy": "hold_writes", "of": self.names.ordinary_approvers})
        elif self.agent.autonomy == "by_contract":
            text = "What this contract allows it does by itself; only what is listed here waits for a person."
            yield Clause(text, {"autonomy": "by_contract"})
        for rule, reach in self._in_force("hold"):
            yield self.terms.of_rule(rule, reach)
        for measure, reach in self._never_twice("hold"):
            yield self.terms.of_limit(measure, reach)
        if any(operation.money_path for operation in self.granted.values()):
            text = f"Money in a currency that the company has no exchange rate for: {self.terms.voters(1, '')}."
            yield Clause(text, {"no_rate": "hold", "of": self.names.ordinary_approvers})
        yield self._together()
        yield Clause(
            "Who is asked is always a person and never the agent itself. "
            "What nobody decides in time is refused.",
            {"asked": "people", "expired": "refused"},
        )

    def _together(self) -> Clause:
        said = (
            "Where several of these apply, all of them count: "
            "the largest number of people, each in every group named"
        )
        if not any(rule.stage > 1 for rule, _ in [*self._in_force("hold"), *self._in_force("none")]):
            return Clause(f"{said}.", {"obligations": "add_up"})
        return Clause(
            f"{said}, stage by stage: a later one waits for those before, and nobody decides at two of them.",
            {"obligations": "add_up", "stages": True},
        )

    def _never(self) -> Iterator[Clause]:
        if self.agent.autonomy not in ("by_contract", "hold_writes"):
            yield Clause("Write anything: it may only read.", {"autonomy": self.agent.autonomy})
        for rule, reach in self._in_force("deny"):
            yield self.terms.of_rule(rule, reach)
        for measure, reach in self._never_twice("deny"):
            yield self.terms.of_limit(measure, reach)
        yield Clause("Anything that is not listed under what it may do.", {"default": "deny"})
        yield Clause(
            "Approve, change its own contract, grant anything, or lift a stop: only people can.",
            {"agents": "decide_nothing"},
        )

    def _limits(self) -> Iterator[Clause]:
        for measure, reach in self.limits:
            if measure.mode not in (Mode.DRAFT, Mode.SHADOW) and not wording.is_no_duplicate(measure):
                yield self.terms.of_limit(measure, reach)
        for throttle in sorted(self.facts.throttles, key=lambda it: (it.scope_kind, it.scope_id, repr(it))):
            if self._concerns(throttle):
                yield of_throttle(throttle)

    def _duties(self) -> Iterator[Clause]:
        for rule, reach in self._in_force("none"):
            yield self.terms.of_rule(rule, reach)

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

    def _in_force(self, verdict: str) -> Iterator[tuple[RuleFacts, Reach]]:
        for rule, reach in self.rules:
            counts_as = rule.verdict if rule.verdict in ("hold", "none") and not reach.broken else "deny"
            if rule.mode not in (Mode.DRAFT, Mode.SHADOW) and counts_as == verdict:
                yield rule, reach

    def _never_twice(self, on_exceed: str) -> Iterator[tuple[MeasureDefinition, Reach]]:
        for measure, reach in self.limits:
            counts_as = "hold" if measure.on_exceed == "hold" else "deny"
            enforced = measure.mode not in (Mode.DRAFT, Mode.SHADOW)
            if enforced and counts_as == on_exceed and wording.is_no_duplicate(measure):
                yield measure, reach

    def _pending(self) -> Iterator[Clause]:
        for rule, reach in self.rules:
            if rule.mode in (Mode.DRAFT, Mode.SHADOW):
                yield self.terms.of_rule(rule, reach, f" ({rule.mode})")
        for measure, reach in self.limits:
            if measure.mode in (Mode.DRAFT, Mode.SHADOW):
                yield self.terms.of_limit(measure, reach, f" ({measure.mode})")

    def _concerns(self, throttle: ThrottleFacts) -> bool:
        return throttle.scope_id in {
            "agent": {self.agent.agent_id},
            "operation": set(self.granted),
            "system": {it.system_id for it in self.granted.values()},
        }.get(throttle.scope_kind, set())

    def _standing(self) -> Iterator[str]:
        agent = self.agent
        if self.facts.snapshot.policies < 1:
            yield "No policy of the company is loaded: everything is refused."
        if agent.lifecycle != "active":
            yield _LIFECYCLE.get(agent.lifecycle, "It is not active: everything is refused.")
        if agent.brake != "none":
            yield _BRAKE.get(agent.brake, _BRAKE["suspended"])
        if agent.on_probation:
            yield "It is on probation: a person approves every write, whatever this contract lets it do alone."
        if not agent.sponsor_active:
            yield f"{self.names.sponsor} has no active account: it may only read until it has a sponsor."
        if agent.attest_by is not None and self.facts.today > agent.attest_by:
            grace = grace_of(agent.role_id, self.facts.snapshot)
            late = is_overdue(agent.attest_by, grace, self.facts.today)
            then = "it may only read" if late else "it may soon only read"
            yield f"It had to be confirmed by {day(agent.attest_by)}: {then} until this is done."
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


def _after(grace_days: int) -> str:
    if not grace_days:
        return "After that day"
    return f"{grace_days} {'day' if grace_days == 1 else 'days'} after it"
