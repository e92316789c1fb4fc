"""What a rule would have decided about calls that were made before: pure, like the decision itself.

A call is judged twice by today's authority, once as it is and once with the draft enforced in it. Stops, brakes
and overdue attestations are left out, and so are limits: they say something about a moment, and the question is
about the rule. What differs then differs because of the rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agents.decision.decide import decide
from agents.decision.facts import (
    AgentFacts,
    Decision,
    DecisionRequest,
    Mode,
    OperationFacts,
    RuleFacts,
    Snapshot,
    Verdict,
)
from agents.decision.findings import Case

# How many calls of each kind of change are named; all of them are counted.
MOST_NAMED = 200


@dataclass(frozen=True, slots=True)
class Past:
    """One call as it was asked for, and what came of it in the end (the state of its action).

    ``reversed_as``: what people did to it later: undone, edited or rejected; '' for nothing of the kind.
    """

    action_id: str
    request: DecisionRequest
    came_to: str
    reversed_as: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """Today's authority as it is and with a draft enforced in it; ``own`` is the rule the draft replaces."""

    before: Snapshot
    after: Snapshot
    draft: RuleFacts
    own: RuleFacts | None

    def of(self, past: DecisionRequest) -> tuple[Decision, Decision] | None:
        """Return how a call is decided without the draft and with it; None where the draft changes nothing."""
        request = replace(past, agent=_at_work(past.agent))
        if request.operation is None or not self._concerns(request, request.operation):
            return None
        found = decide(request, self.before), decide(request, self.after)
        return None if _answer(found[0]) == _answer(found[1]) else found

    def _concerns(self, request: DecisionRequest, operation: OperationFacts) -> bool:
        """Say whether the draft, or what it replaces, has anything to say of a call."""
        case = Case(request, self.after)
        try:
            case.context  # noqa: B018 - what cannot be judged at all is decided, which says so
        except Exception:  # noqa: BLE001
            return True
        rules = [self.draft] if self.own is None else [self.draft, self.own]
        found = [case.finding_of(rule) for rule in rules]
        return any(one is not None and (one.code or (one.result and one.result.matched)) for one in found)


def trial(snapshot: Snapshot, draft: RuleFacts) -> Trial:
    """Return the two authorities that are compared: with the draft instead of the rule it is a draft of."""
    own = next((rule for rule in snapshot.rules if rule.rule_id == draft.rule_id), None)
    enforced = replace(draft, mode=Mode.ENFORCED.value)
    others = tuple(rule for rule in snapshot.rules if rule.rule_id != draft.rule_id)
    still = replace(snapshot, stops=(), measures=())
    return Trial(
        before=still,
        after=replace(still, rules=(*others, enforced)),
        draft=enforced,
        own=own if own is not None and own.mode == Mode.ENFORCED else None,
    )


def _at_work(agent: AgentFacts) -> AgentFacts:
    return replace(
        agent, lifecycle="active", brake="none", sponsor_active=True, attest_by=None, on_probation=False
    )


def _answer(decision: Decision) -> tuple[Any, ...]:
    duties = decision.obligations
    return decision.verdict, duties.stages, duties.quorum, duties.redact, duties.step_up


@dataclass(slots=True)
class Tally:
    """What a draft would have changed, counted over many calls. Several are added up to one.

    ``changes`` by (before, after); ``came_to`` by (before, after, state of the action); ``reversed_as`` by
    (before, after, what people did later); ``holds`` by (day, group): what people would have been asked beside
    what they were asked; ``named``: some of each change.
    """

    looked_at: int = 0
    unjudged: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    came_to: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    reversed_as: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    holds: Counter[tuple[str, str]] = field(default_factory=Counter)
    named: dict[tuple[str, str], list[dict[str, str]]] = field(default_factory=dict)

    def look_at(self, pasts: Iterable[Past], against: Trial) -> None:
        """Judge calls and count what would have been otherwise."""
        for past in pasts:
            self.looked_at += 1
            if found := against.of(past.request):
                self._count(past, *found)

    def _count(self, past: Past, before: Decision, after: Decision) -> None:
        self.unjudged += after.code == "rule_error"
        groups = after.obligations.approver_groups
        self.note(past, before.verdict, after.verdict, after.sentence, groups)

    def note(
        self, past: Past, before: Verdict, after: Verdict, sentence: str, groups: Sequence[str] = ()
    ) -> None:
        """Count one call that would have been decided otherwise; ``groups``: who would have been asked."""
        change = before.value, after.value
        self.changes[change] += 1
        self.came_to[*change, past.came_to] += 1
        if past.reversed_as:
            self.reversed_as[*change, past.reversed_as] += 1
        if after == Verdict.HOLD and before == Verdict.ALLOW:
            day = past.request.now.date().isoformat()
            for group in groups or ("",):
                self.holds[day, group] += 1
        named = self.named.setdefault(change, [])
        named.append({"action": past.action_id, "came_to": past.came_to, "sentence": sentence})
        del named[:-MOST_NAMED]

    def add(self, other: Tally) -> None:
        """Add what was counted elsewhere, later."""
        self.looked_at += other.looked_at
        self.unjudged += other.unjudged
        self.changes += other.changes
        self.came_to += other.came_to
        self.reversed_as += other.reversed_as
        self.holds += other.holds
        for change, named in other.named.items():
            self.named[change] = [*self.named.get(change, []), *named][-MOST_NAMED:]

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Tally:
        """Return what ``as_json`` told."""
        found = cls(told.get("looked_at", 0), told.get("unjudged", 0))
        for change in told.get("changes", ()):
            key = change["before"], change["after"]
            found.changes[key] = change["count"]
            found.named[key] = list(change["named"])
            for state, count in change["came_to"].items():
                found.came_to[*key, state] = count
            for how, count in change.get("reversed", {}).items():
                found.reversed_as[*key, how] = count
        for hold in told.get("holds", ()):
            found.holds[hold["day"], hold["group"]] = hold["count"]
        return found

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON data, in a stable order."""
        return {
            "looked_at": self.looked_at,
            "changed": self.changes.total(),
            "unjudged": self.unjudged,
            "changes": [self._change(change) for change in sorted(self.changes)],
            "holds": [
                {"day": day, "group": group, "count": count}
                for (day, group), count in sorted(self.holds.items())
            ],
        }

    def _change(self, change: tuple[str, str]) -> dict[str, Any]:
        came_to = ((state, count) for (*of, state), count in self.came_to.items() if tuple(of) == change)
        later = ((how, count) for (*of, how), count in self.reversed_as.items() if tuple(of) == change)
        return {
            "before": change[0],
            "after": change[1],
            "count": self.changes[change],
            "came_to": dict(sorted(came_to)),
            "reversed": dict(sorted(later)),
            "named": self.named.get(change, []),
        }
