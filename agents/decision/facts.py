"""Plain facts in, a plain decision out: what the pure decision function reads and returns.

All ids are text. Amounts are integers in minor units. Nothing here knows Django or does I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class Effect(StrEnum):
    """What an operation does to the world."""

    READ = "read"
    WRITE = "write"
    FINANCIAL = "financial"
    DESTRUCTIVE = "destructive"


class Verdict(StrEnum):
    """What is decided; deny is stronger than hold, hold is stronger than allow."""

    ALLOW = "allow"
    HOLD = "hold"
    DENY = "deny"


class Mode(StrEnum):
    """How far a rule has come; only an enforced one decides."""

    DRAFT = "draft"
    SHADOW = "shadow"
    ENFORCED = "enforced"


@dataclass(frozen=True, slots=True)
class OperationFacts:
    """One operation at one revision. ``money_path``: the argument with the amount ('' when it moves none)."""

    code: str
    revision: int
    schema_hash: str
    name: str
    system_id: str
    system_code: str
    category: str
    environment: str
    effect: str
    idempotent: bool
    money_path: str = ""
    input_schema: Mapping[str, Any] | None = field(default=None, compare=False, hash=False)


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """One agent as it stands now. ``department_ids``: its own first, then those above it.

    ``since``: the day on which it was taken on. ``on_probation``: a person approves whatever it writes.
    """

    agent_id: str
    user_id: str
    name: str
    code: str
    department_ids: tuple[str, ...]
    role_id: str
    group_ids: frozenset[str]
    lifecycle: str
    autonomy: str
    brake: str
    risk_tier: str
    attest_by: date | None
    sponsor_active: bool
    role_code: str = ""
    department_code: str = ""
    sponsor_id: str = ""
    deputy_id: str = ""
    since: date | None = None
    on_probation: bool = False


@dataclass(frozen=True, slots=True)
class MoneyFacts:
    """An amount as the arguments state it, and in company currency (None: the company has no rate)."""

    currency: str
    minor: int
    company_minor: int | None


@dataclass(frozen=True, slots=True)
class MeasureFacts:
    """The reading of one measure for one request. ``amount`` is what this request would add.

    ``headroom`` is what is left before it (None: no ceiling). ``error`` is set when key or amount could not be
    computed; an enforced measure with an error denies.
    """

    code: str
    name: str
    unit: str
    key: str
    amount: int
    reserved: int
    settled: int
    ceiling: int | None
    error: str = ""

    @property
    def headroom(self) -> int | None:
        """Return what may still be used before this request, never below zero; None without a ceiling."""
        return None if self.ceiling is None else max(0, self.ceiling - self.reserved - self.settled)

    @property
    def exceeded(self) -> bool:
        """Tell whether this request would go above the ceiling (the ceiling itself is allowed)."""
        return self.ceiling is not None and self.reserved + self.settled + self.amount > self.ceiling


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison of a rule; ``joined`` is how it hangs on the one before: ``and``, or ``or``."""

    joined: str
    field: str
    comparison: str
    value: str


@dataclass(frozen=True, slots=True)
class NextLevel:
    """Who may decide, too, what is undecided after so many minutes: ``kind`` group (named by ``group``),
    sponsor, manager (of the sponsor), head (of the department), or refuse: then nobody may any more."""

    minutes: int
    kind: str = "group"
    group: str = ""


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """One rule with the scope of its policy. ``version`` is the content version of the rule alone."""

    rule_id: str
    policy_id: str
    policy_code: str
    scope_kind: str
    scope_id: str
    name: str
    sentence: str
    operations: str
    effects: tuple[str, ...]
    condition: str
    verdict: str
    mode: str
    version: int
    approver_group: str = ""
    quorum: int = 1
    note: str = ""
    redact: tuple[str, ...] = ()
    field: str = ""
    comparison: str = ""
    value: str = ""
    also: tuple[Line, ...] = ()
    remind_minutes: int = 0
    stage: int = 1
    step_up: bool = False
    levels: tuple[NextLevel, ...] = ()
    clock: str = "wall"


@dataclass(frozen=True, slots=True)
class Escalation:
    """What one voice says of who may approve later in place of its group; no levels: as in the company.

    ``clock``: wall, or working: its minutes are those of the business calendar.
    """

    group: str
    levels: tuple[NextLevel, ...] = ()
    clock: str = "wall"
    stage: int = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """Who decides at one stage, and how many of them; a later stage waits for those before.

    A voter must belong to every one of ``groups`` (empty: the ordinary approvers). ``number`` is what rules
    say, so there may be gaps.
    """

    number: int
    groups: tuple[str, ...]
    quorum: int


@dataclass(frozen=True, slots=True)
class MeasureDefinition:
    """One measure as configured; ``key``, ``amount`` and ``read_key`` are CEL.

    Rules about the operations of ``read_for`` read it under ``read_key``, and are not counted by it.
    """

    measure_id: str
    code: str
    name: str
    scope_kind: str
    scope_id: str
    operations: str
    key: str
    amount: str
    unit: str
    window: str
    window_seconds: int | None
    ceiling: int | None
    on_exceed: str
    mode: str
    version: int
    read_for: str = ""
    read_key: str = ""


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """One permission to use one operation, held by a user or by a group (``holder_kind`` user or group)."""

    grant_id: str
    operation: str
    holder_kind: str
    holder_id: str


@dataclass(frozen=True, slots=True)
class StopFacts:
    """One active stop. ``stage``: stop (nothing), look (reads pass), held (every write asks a person)."""

    stop_id: str
    scope_kind: str
    scope_id: str
    scope_label: str
    reason: str
    stage: str = "stop"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All authority of the company at one version; immutable. Version 0 means that nothing was loaded.

    ``time_zone``: the company's, by its IANA name: it says which day and hour it is to a rule.
    ``policies`` counts the policies loaded; none at all denies everything. ``index``: what was looked for in
    this very snapshot before (which rules speak of an operation), never what was decided. ``grace_days``: how
    many days past its attestation an agent of a role (by id) may still write; '' is for every other role.
    """

    version: int = 0
    company_currency: str = ""
    time_zone: str = "UTC"
    policies: int = 0
    rules: tuple[RuleFacts, ...] = ()
    measures: tuple[MeasureDefinition, ...] = ()
    grants: frozenset[GrantFacts] = frozenset()
    stops: tuple[StopFacts, ...] = ()
    grace_days: Mapping[str, int] = field(default_factory=dict)
    index: dict[tuple[str, ...], tuple[Any, ...]] = field(
        init=False, default_factory=dict, compare=False, repr=False
    )


@dataclass(frozen=True, slots=True)
class ApprovalFacts:
    """People said yes to exactly this: it counts only while ``binding`` equals that of the new decision.

    ``standing``: in words, what they approved in advance ('' when they looked at this very request).
    """

    approval_id: str
    binding: str
    approvers: tuple[str, ...] = ()
    standing: str = ""


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """One question: may this agent do this now?

    ``operation`` is None when nobody knows the code asked for. ``provenance`` maps an argument to a label of
    where its value came from; rules may read labels, never prose. ``now`` is aware.
    """

    agent: AgentFacts
    operation_code: str
    operation: OperationFacts | None
    arguments: Mapping[str, Any]
    now: datetime
    on_behalf_of: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)
    money: MoneyFacts | None = None
    measures: Mapping[str, MeasureFacts] = field(default_factory=dict)
    approved: ApprovalFacts | None = None
    workflow_id: str = ""
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule (or limit) said about one request. ``error`` is set when it could not be evaluated."""

    rule_id: str
    name: str
    sentence: str
    mode: str
    matched: bool
    verdict: str
    error: str = ""


# Stands among approver groups for the company's ordinary approvers, whose name this room does not know.
ORDINARY_APPROVERS = ""


@dataclass(frozen=True, slots=True)
class Obligations:
    """Duties that add up over every enforced rule that applied.

    ``stages``: who decides one after the other, and nobody in two of them. ``quorum`` is how many different
    people that are, and ``approver_groups`` every group among them (names of groups; empty: the ordinary
    approvers, who are named beside others as ORDINARY_APPROVERS). ``step_up``: whoever approves has just shown
    again who they are. ``remind_minutes``: the soonest (0: as in the company) by its ``remind_clock``, wall or
    working;
    ``escalations``: what every voice says that asks for a group, so that none lets others in for another's.
    """

    quorum: int = 1
    approver_groups: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    remind_minutes: int = 0
    remind_clock: str = "wall"
    escalations: tuple[Escalation, ...] = ()
    stages: tuple[Stage, ...] = ()
    step_up: bool = False

    @property
    def approver_group(self) -> str:
        """Return the first group, for a one-line label."""
        return self.approver_groups[0] if self.approver_groups else ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer: verdict, stable code, the sentence for people, and everything it rests on.

    ``binding`` is the SHA-256 (hex) over the rules, grants and duties that decided: an approval is bound to it,
    and an edit of an unrelated rule leaves it as it is.
    """

    verdict: Verdict
    code: str
    sentence: str
    next_step: str
    policy_version: int
    binding: str
    rules: tuple[RuleResult, ...] = ()
    deciding: tuple[str, ...] = ()
    obligations: Obligations = Obligations()
    grants: tuple[str, ...] = ()
