"""One approval as a question to a person: what will happen, why you are asked, what the agent says about it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.urls import reverse

from agents.decision import lines as comparisons
from agents.decision.budgets import UNITS as BUDGETS
from agents.decision.money import format_minor
from agents.decision.wording import number_words
from agents.models import Agent, ChangeRequest, Rule, User
from agents.policies import may_pause_agent
from agents.selectors import company_currency, foreseen, rule_facts
from workflows.actions.models import Action
from workflows.actions.selectors import Edit, amount_words, edits_of, shown_arguments
from workflows.approvals.models import Approval, RejectCode, Vote
from workflows.approvals.selectors import description, others_who_may
from workflows.approvals.services import FOR_ANYBODY
from workflows.documents.models import Document
from workflows.documents.selectors import visible_to as visible_documents
from workflows.pages.access import admin_page
from workflows.pages.asked import Asked, questions_of
from workflows.pages.confirming import Confirmed
from workflows.pages.hands import Hands, approve_words, hands_of, to_type
from workflows.pages.later import Later, later_of, when_words
from workflows.pages.lines import Line, history_of
from workflows.pages.risk import Risk, leaves_company, risk_of
from workflows.pages.stages import StageLine, stage_lines
from workflows.pages.voters import Voter, voters_of, why_nobody
from workflows.pages.weighing import (
    Read,
    Similar,
    contradictions,
    may_look,
    reads_before,
    shown_reads,
    similar_to,
)
from workflows.pages.words import (
    Fact,
    Tag,
    effect_tags,
    facts_of,
    humanize,
    state_tag,
    values_in,
    without_verdict,
)
from workflows.runs.models import Run, RunDocument, Step
from workflows.runs.selectors import visible_to as visible_runs
from workflows.runs.services import CHANGE_KIND
from workflows.tasks.models import Comment


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule that asks for a person: its words, its exact condition, and this case's values in it."""

    name: str
    sentence: str
    condition: str = ""
    values: list[Fact] = field(default_factory=list)
    policy: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """What the agent says about itself. Shown as its words; nothing here decides anything."""

    reason: str = ""
    confidence: str = ""
    evidence: list[str] = field(default_factory=list)
    provenance: list[Fact] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Matter:
    """What an approval is about, whatever its kind."""

    asks: str
    tags: list[Tag]
    facts: list[Fact]
    raw: str
    rules: list[RuleLine]
    limits: list[str]
    notes: list[str]
    statement: Statement | None
    result: str
    link: str = ""
    action: Action | None = None
    also: list[str] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Question:
    """Everything the page of one approval shows."""

    approval: Approval
    matter: Matter
    state: Tag
    votes: list[Vote]
    groups: str
    history: list[Line]
    later: list[Later]
    until: str
    comments: list[Comment]
    asked: list[Asked]
    may_ask: bool
    may_change: bool
    others: list[User]  # whom this person could hand it to
    nobody_left: bool  # in a name of their own: a deputy may still
    handed: list[dict[str, Any]]
    may_vote: bool
    why_not: str
    voters: list[Voter]
    runs: list[Run]
    documents: list[Document]
    stages: list[StageLine]
    confirmed: Confirmed | None
    risk: Risk
    hands: Hands
    similar: Similar | None
    reads: list[Read]
    warnings: list[str]
    may_look: bool
    may_pause: bool
    typed: str
    approve: str
    codes: list[tuple[str, str]] = field(default_factory=lambda: list(RejectCode.choices))


def question_for(approval: Approval, user: User, confirmed: Confirmed | None = None) -> Question:
    """Return one approval as this person sees it; ``why_not`` says why they may not vote, in words.

    ``confirmed``: whether they have just shown again who they are, where that is asked.
    """
    votes = list(approval.votes.select_related("user", "on_behalf_of", "through"))
    runs = runs_of(approval, user)
    voters = voters_of(approval, user)
    why_not = "" if voters else why_nobody(approval, user, votes)
    waits = approval.state == Approval.State.PENDING
    others = others_who_may(user, approval) if waits else []
    matter = _MATTERS.get(approval.subject_kind, _of_anything)(approval)
    action, risk = matter.action, risk_of(matter.action, approval)
    reads = reads_before(action, user) if action else []
    return Question(
        approval=approval,
        matter=matter,
        risk=risk,
        hands=hands_of(approval, user),
        similar=similar_to(action, approval, user) if action else None,
        reads=shown_reads(reads),
        warnings=contradictions(action, reads) if action else [],
        may_look=bool(voters and action and may_look(approval, action)),
        may_pause=bool(voters and action and not may_pause_agent(user.as_actor(), action.agent)),
        typed=to_type(action, risk),
        approve=approve_words(action, approval, votes),
        state=state_tag(approval.state, approval.get_state_display()),
        votes=votes,
        groups=" and ".join(group.name for group in approval.approver_groups.all()),
        history=history_of("approvals.approval", approval.pk, user),
        comments=list(approval.task.comments.all()),
        asked=questions_of(approval.task),
        others=others if voters or user.has_perm(FOR_ANYBODY) else [],
        nobody_left=waits and not (voters or others),
        handed=[_handed(one) for one in approval.task.passed_on if one["how"] == "reassigned"],
        may_ask=bool(voters) and approval.requester_kind == User.Kind.AGENT,
        may_change=bool(voters) and approval.subject_kind == "actions.action",
        later=later_of(approval),
        until=when_words(approval, approval.expires_at, working=approval.end_in_working_time),
        may_vote=not why_not,
        why_not=why_not,
        voters=voters,
        runs=runs,
        documents=documents_of(runs, user),
        stages=stage_lines(approval, votes),
        confirmed=confirmed,
    )


def _handed(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "until_at": datetime.fromisoformat(one["until"]) if one.get("until") else None}


def documents_of(runs: list[Run], user: User) -> list[Document]:
    """Return the documents of runs that this person may read, in the order they came."""
    linked = RunDocument.objects.filter(run__in=runs).values("document")
    return list(visible_documents(user).filter(pk__in=linked).order_by("pk")) if runs else []


def runs_of(approval: Approval, user: User) -> list[Run]:
    """Return the run that a request is part of, if it is of one that this person may see."""
    if approval.subject_kind != "actions.action":
        return []
    action = Action.objects.filter(pk__in=_uuids([approval.subject_id])).first()
    if action is None:
        return []
    part_of = Q(action=action)
    if action.task_id:
        part_of |= Q(task=action.task_id)
    found = list(Step.objects.filter(part_of).values_list("run", flat=True)[:2])
    return list(visible_runs(user, kept=True).filter(pk__in=found)[:1]) if found else []


def _of_action(approval: Approval) -> Matter:
    found = Action.objects.select_related("agent", "operation__system", "revision")
    action = found.filter(pk__in=_uuids([approval.subject_id])).first()
    if action is None:
        return _of_anything(approval)
    explanation = approval.explanation
    arguments = shown_arguments(action)
    amount = amount_words(action)
    return Matter(
        asks=f"{action.agent.name} asks to {deed(action)}",
        tags=_tags(action, amount),
        facts=facts_of(arguments, action.revision.input_schema if action.revision else None),
        raw=pretty(arguments),
        rules=deciding_rules(explanation, arguments, amount),
        also=approval.sentence.split(" Also: ")[1:],
        limits=limits_in_words(explanation),
        notes=list(explanation.get("obligations", {}).get("notes", ())),
        statement=statement_of(action),
        result=_result(action, approval),
        link=reverse("action", args=[action.pk]),
        action=action,
        edits=edits_of(action),
    )


def _of_change(approval: Approval) -> Matter:
    change = _change(approval.subject_id)
    if change is None:
        return _of_anything(approval)
    return Matter(
        asks=f"{change.proposer} asks for a change of authority",
        tags=[Tag("Changes what agents may do", "policy", "wait")],
        facts=[
            *_lets(change),
            Fact("What changes", change.summary),
            Fact("Where", change.target_label),
            *_changes(change),
            *(Fact("Its record", said) for said in _sentences(change, "record")),
            *_differences(change),
        ],
        raw=pretty(change.payload),
        rules=[
            RuleLine(
                "Two people", "A change that gives agents more freedom needs a second person, not its proposer."
            )
        ],
        limits=[],
        notes=_sentences(change, "advice"),
        statement=Statement(reason=change.reason),
        result=_result_of_change(change, approval),
        link=_page_of_change(change),
    )


def _page_of_change(change: ChangeRequest) -> str:
    """Return where a change is read whole: a version of a workflow as words and as a picture."""
    if change.kind == CHANGE_KIND:
        return reverse("workflow-diff", args=[change.target_id, change.payload["number"]])
    return admin_page(change)


def _of_anything(approval: Approval) -> Matter:
    told = description(approval)
    return Matter(
        asks=f"{approval.requester_label} asks",
        tags=[],
        facts=facts_of(told),
        raw=pretty(told),
        rules=deciding_rules(approval.explanation, {}, ""),
        limits=[],
        notes=[],
        statement=None,
        result="Approving lets it go ahead at once.",
    )


_MATTERS: dict[str, Callable[[Approval], Matter]] = {
    "actions.action": _of_action,
    "agents.changerequest": _of_change,
}


def deciding_rules(explanation: Mapping[str, Any], arguments: Mapping[str, Any], amount: str) -> list[RuleLine]:
    """Return the rules that decided, in words, with the present condition and this case's values in it."""
    deciding = set(explanation.get("deciding", ()))
    results = [result for result in explanation.get("rules", ()) if result.get("rule_id") in deciding]
    rules = Rule.objects.select_related("policy").filter(pk__in=_uuids(result["rule_id"] for result in results))
    stored = {str(rule.pk): rule for rule in rules}
    return [_rule_line(result, stored.get(result["rule_id"]), arguments, amount) for result in results]


def _rule_line(
    result: Mapping[str, Any], rule: Rule | None, arguments: Mapping[str, Any], amount: str
) -> RuleLine:
    error = f" It could not be evaluated: {result['error']}" if result.get("error") else ""
    sentence = f"{result.get('sentence', '')}{error}"
    if rule is None:
        return RuleLine(result.get("name", ""), sentence)
    return RuleLine(
        name=result.get("name", ""),
        sentence=sentence,
        condition=condition_in_words(rule),
        values=values_in(f"{rule.field} {rule.condition}", arguments, amount),
        policy=rule.policy.name,
        link=admin_page(rule.policy),
    )


def condition_in_words(rule: Rule) -> str:
    """Return the condition in words (``an amount above 10,000.00 EUR``), or else its exact text."""
    currency = company_currency()
    if built := comparisons.as_built(rule_facts(rule), currency):
        return " ".join(comparisons.phrases_of(built, currency))
    return rule.condition


def limits_in_words(explanation: Mapping[str, Any]) -> list[str]:
    """Return how much of every limit is left, e.g. ``Invoices a day: 11 of 12 were left, this uses 1``."""
    found = []
    for limit in explanation.get("limits", ()):
        if limit.get("ceiling") is None:
            continue
        unit = limit.get("unit") or ""
        if unit in BUDGETS:
            left, ceiling = (
                number_words(unit, limit.get(name) or 0, company_currency()) for name in ("headroom", "ceiling")
            )
            found.append(f"{limit.get('name')}: {left} of {ceiling} were left.")
            continue
        left, ceiling, adds = (_in_unit(limit.get(name), unit) for name in ("headroom", "ceiling", "adds"))
        found.append(f"{limit.get('name')}: {left} of {ceiling} were left, this uses {adds}.")
    return found


def _in_unit(value: Any, unit: str) -> str:
    if unit == "money":
        unit = company_currency()
    if isinstance(value, int) and len(unit) == 3 and unit.isupper():
        return format_minor(value, unit)
    return f"{value} {unit}".strip() if unit not in {"", "count"} else str(value)


def statement_of(action: Action) -> Statement | None:
    """Return what the agent said about its own request, or None when it said nothing."""
    if not (action.reason or action.evidence or action.confidence or action.provenance):
        return None
    return Statement(
        reason=action.reason,
        confidence=str(action.confidence),
        evidence=[_evidence(item) for item in action.evidence],
        provenance=[
            Fact(humanize(str(key).removeprefix("args.")), str(value))
            for key, value in action.provenance.items()
        ],
    )


def _evidence(item: Any) -> str:
    if isinstance(item, Mapping):
        return ", ".join(f"{lower_first(humanize(str(key)))}: {value}" for key, value in item.items())
    return str(item)


def _tags(action: Action, amount: str) -> list[Tag]:
    tags = operation_tags(action, amount)
    if action.operation:
        tags.append(Tag(action.operation.system.name, "dns"))
        # What is as usual is no badge: only what should be weighed is said.
        if leaves_company(action):
            tags.append(Tag("Leaves the company", "public", "wait"))
    if action.agent.risk_tier == Agent.RiskTier.HIGH:
        tags.append(Tag("High risk agent", "shield", "bad"))
    return tags


def deed(action: Action) -> str:
    """Return what is asked for, as the end of a sentence that begins with who asks to."""
    return lower_first(action.operation.name) if action.operation else action.operation_code


def operation_tags(action: Action, amount: str) -> list[Tag]:
    """Return what the operation of an action does to the world, with what this action moves."""
    operation = action.operation
    if operation is None:
        return []
    return effect_tags(
        operation.effect,
        amount=amount,
        undo=operation.undo_operation_id is not None,
        environment=operation.system.environment,
    )


def _result(action: Action, approval: Approval) -> str:
    if action.is_final:
        return f"{action.get_state_display()}: {without_verdict(action.sentence)}"
    if approval.state != Approval.State.PENDING:
        return f"{action.get_state_display()}. The whole story says what becomes of it."
    where = f" in {action.operation.system.name}" if action.operation else ""
    alone = approval.quorum == 1
    when = "Approving does it at once" if alone else "When all who must agree have, it is done at once"
    what = f"{when}{where}"
    return f"{what}. Rejecting ends it; the agent is told your reason."


def not_done_after(approval: Approval) -> str:
    """Say why what was approved is not done all the same: it is decided anew, and a brake may be on."""
    if approval.state != Approval.State.APPROVED or approval.subject_kind != "actions.action":
        return ""
    refused = (Action.State.DENIED, Action.State.SUPERSEDED, Action.State.STOPPED)
    action = Action.objects.filter(pk=approval.subject_id, state__in=refused).first()
    return f" But it is not done: {without_verdict(action.sentence)}" if action else ""


def _result_of_change(change: ChangeRequest, approval: Approval) -> str:
    if approval.state == Approval.State.PENDING:
        return "Approving puts exactly this change into force at once. Rejecting leaves all as it is."
    return f"{change.get_state_display()}."


def _differences(change: ChangeRequest) -> list[Fact]:
    """Return what a proposed version of a workflow changes, sentence by sentence."""
    return [Fact(f"Change {place}", said) for place, said in enumerate(_sentences(change, "differences"), 1)]


def _lets(change: ChangeRequest) -> list[Fact]:
    """Return what a change lets whom do, and what it would today if that is something else by now."""
    foreseen_now = foreseen(change)
    said = [Fact("What it lets whom do", sentence) for sentence in foreseen_now.then]
    if foreseen_now.is_gone:
        return [*said, Fact("Since then", "What it is about no longer exists, so it cannot be applied.")]
    if not foreseen_now.has_moved:
        return said
    return [*said, *(Fact("What it would mean today", sentence) for sentence in foreseen_now.now or ())]


def _sentences(change: ChangeRequest, name: str) -> list[str]:
    found = change.payload.get(name) if isinstance(change.payload, Mapping) else None
    return [str(said) for said in found] if isinstance(found, list) else []


def _changes(change: ChangeRequest) -> list[Fact]:
    changes = change.payload.get("changes") if isinstance(change.payload, Mapping) else None
    if not isinstance(changes, Mapping):
        return []
    return [Fact(humanize(str(name)), str(value)) for name, value in changes.items()]


def pretty(value: Any) -> str:
    """Return JSON as text for the disclosure under the facts."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)


def lower_first(text: str) -> str:
    """Return a name so that it fits into a sentence."""
    return text[:1].lower() + text[1:]


def _change(change_id: str) -> ChangeRequest | None:
    found = ChangeRequest.objects.select_related("proposer")
    return found.filter(pk__in=_uuids([change_id])).first()


def _uuids(texts: Iterable[Any]) -> list[UUID]:
    """Return what of these texts is a UUID: a subject's or a rule's id may be anything."""
    found = []
    for text in texts:
        with contextlib.suppress(ValueError):
            found.append(UUID(str(text)))
    return found
