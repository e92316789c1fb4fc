"""What an approval is about, whatever its kind: an action, a change of authority, or what is not known here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.urls import reverse

from agents.models import ChangeRequest
from agents.selectors import foreseen
from workflows.actions.models import Action
from workflows.actions.selectors import Edit, amount_words, edits_of, shown_arguments
from workflows.approvals.models import Approval
from workflows.approvals.selectors import description
from workflows.pages.access import admin_page
from workflows.pages.risk import leaves_company
from workflows.pages.row_words import not_done
from workflows.pages.statement import Statement, statement_of
from workflows.pages.why_asked import RuleLine, deciding_rules, limits_in_words, said_besides, used_up_since
from workflows.pages.words import (
    Fact,
    Tag,
    effect_tags,
    facts_of,
    humanize,
    lower_first,
    pretty,
    uuids_in,
    without_verdict,
)
from workflows.runs.services import CHANGE_KIND


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
    since: list[str] = field(default_factory=list)  # what would stand against it now and did not then
    edits: list[Edit] = field(default_factory=list)


def matter_of(approval: Approval) -> Matter:
    """Return what an approval is about; of a kind that is not known, what it says itself."""
    return _MATTERS.get(approval.subject_kind, _of_anything)(approval)


def _of_action(approval: Approval) -> Matter:
    found = Action.objects.select_related("agent", "operation__system", "revision")
    action = found.filter(pk__in=uuids_in([approval.subject_id])).first()
    if action is None:
        return _of_anything(approval)
    explanation = approval.explanation
    arguments = shown_arguments(action)
    amount = amount_words(action)
    rules = deciding_rules(explanation, arguments, amount)
    return Matter(
        asks=f"{action.agent.name} asks to {deed(action)}",
        tags=_tags(action, amount),
        facts=facts_of(arguments, action.revision.input_schema if action.revision else None),
        raw=pretty(arguments),
        rules=rules,
        also=said_besides(approval.sentence, rules),
        since=used_up_since(explanation) if approval.state == Approval.State.PENDING else [],
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


def _tags(action: Action, amount: str) -> list[Tag]:
    tags = operation_tags(action, amount)
    if action.operation:
        tags.append(Tag(action.operation.system.name, "dns"))
        # What is as usual is no badge: only what should be weighed is said.
        if leaves_company(action):
            tags.append(Tag("Leaves the company", "public", "wait"))
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
    if approval.subject_kind != "actions.action":
        return ""
    action = Action.objects.filter(pk__in=uuids_in([approval.subject_id])).first()
    return not_done(approval, action)


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


def _change(change_id: str) -> ChangeRequest | None:
    found = ChangeRequest.objects.select_related("proposer")
    return found.filter(pk__in=uuids_in([change_id])).first()
