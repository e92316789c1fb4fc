"""What helps to weigh a request: how the like was decided, what its agent read, and what does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from agents.decision.money import format_minor
from agents.models import User
from agents.selectors import company_currency
from connectors.services.probes import same_value
from workflows.actions.models import Action
from workflows.actions.selectors import hidden_in_action
from workflows.actions.selectors import visible_to as visible_actions
from workflows.approvals.models import Approval
from workflows.approvals.selectors import visible_to as visible_approvals
from workflows.pages.words import Fact, facts_of, humanize, in_words

DAYS = 90
MOST_ALIKE = 200
MOST_REASONS = 3
MOST_READS = 10
MOST_WARNINGS = 10
# What every record has of its own: that two records differ in it says nothing.
OF_ANY_RECORD = {
    "id", "key", "code", "number", "reference", "ref", "name", "label", "title", "text", "note", "description",
    "date", "day", "time", "status", "state", "kind", "type", "version", "currency", "url",
    "created", "updated", "created_at", "updated_at",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Earlier:
    """One reason that was given for the like."""

    word: str
    reason: str
    at: datetime
    link: str


@dataclass(frozen=True, slots=True)
class Similar:
    """How the like was decided lately. ``is_all``: whether those are all, or only the newest."""

    count: int
    approved: int
    rejected: int
    lapsed: int
    amounts: str
    reasons: list[Earlier]
    link: str
    is_all: bool
    days: int = DAYS


@dataclass(frozen=True, slots=True)
class Read:
    """What the agent was told by a system before it asked, in the same piece of work."""

    label: str
    at: datetime | None
    facts: list[Fact]
    link: str


def similar_to(action: Action, approval: Approval, user: User) -> Similar | None:
    """Return how people decided about the same operation held by one of the same rules, or None if never."""
    if action.operation_id is None:
        return None
    since = timezone.now() - timedelta(days=DAYS)
    asked = Action.objects.filter(operation=action.operation_id, approval__isnull=False).exclude(pk=action.pk)
    newest = list(asked.order_by("-id").values_list("approval", "amount_company_minor")[: MOST_ALIKE + 1])
    amounts = dict(newest[:MOST_ALIKE])
    found = visible_approvals(user).filter(pk__in=list(amounts), decided_at__gte=since)
    rows = found.order_by("-decided_at").values_list(
        "pk", "state", "reason", "decided_at", "explanation__deciding"
    )
    rules = set(approval.explanation.get("deciding", ()))
    alike = [row for row in rows if not rules or rules & set(row[4] or ())]
    return _summed(action, approval, alike, amounts, is_all=len(newest) <= MOST_ALIKE) if alike else None


def _summed(
    action: Action, approval: Approval, alike: list[Any], amounts: Mapping[Any, Any], *, is_all: bool
) -> Similar:
    states = [row[1] for row in alike]
    reasons = [
        Earlier(
            _("approved") if state == Approval.State.APPROVED else _("rejected"),
            reason,
            at,
            reverse("inbox-approval", args=[key]),
        )
        for key, state, reason, at, _rules in alike
        if reason and state in (Approval.State.APPROVED, Approval.State.REJECTED)
    ]
    rule = next(iter(approval.explanation.get("deciding", ())), "")
    query = urlencode({"show": "decided", "kind": "action", **({"rule": rule} if rule else {})})
    approved, rejected = states.count(Approval.State.APPROVED), states.count(Approval.State.REJECTED)
    return Similar(
        count=len(alike),
        approved=approved,
        rejected=rejected,
        lapsed=len(states) - approved - rejected,
        amounts=_range([amounts[row[0]] for row in alike if amounts.get(row[0]) is not None]),
        reasons=reasons[:MOST_REASONS],
        link=f"{reverse('inbox')}?{query}",
        is_all=is_all,
    )


def _range(amounts: list[int]) -> str:
    if not amounts:
        return ""
    least, most = (format_minor(one, company_currency()) for one in (min(amounts), max(amounts)))
    return least if least == most else _("%(least)s to %(most)s") % {"least": least, "most": most}


def may_look(approval: Approval, action: Action) -> bool:
    """Say whether there is something to read: it waits, its operation has a look-up, and no rule hides it."""
    operation = action.operation
    return bool(
        approval.state == Approval.State.PENDING
        and operation
        and operation.lookup_operation_id
        and not hidden_in_action(action)
    )


def reads_before(action: Action, user: User) -> list[Action]:
    """Return what the agent read in the same piece of work before it asked, the newest first."""
    if action.task_id is None:
        return []
    found = visible_actions(user).filter(task=action.task_id, agent=action.agent_id, id__lt=action.pk)
    done = found.filter(operation__effect="read", state=Action.State.CONFIRMED, result__isnull=False)
    return list(done.select_related("operation", "revision").order_by("-id")[:MOST_READS])


def shown_reads(reads: list[Action]) -> list[Read]:
    """Return them as they are shown; the answer of a read that a rule hides something of stays out."""
    return [
        Read(
            label=read.label,
            at=read.finished_at,
            facts=facts_of(read.result, read.revision.output_schema if read.revision else None)
            if isinstance(read.result, Mapping) and not hidden_in_action(read)
            else [],
            link=reverse("action", args=[read.pk]),
        )
        for read in reads
    ]


def with_names(facts: list[Fact], reads: list[Action]) -> list[Fact]:
    """Return facts whose value is a code with the name that a system told beside it: people know names."""
    names = names_told(reads)
    return [replace(fact, told=names.get(fact.value, "")) for fact in facts] if names else facts


def names_told(reads: list[Action]) -> dict[str, str]:
    """Return what systems said records are called, by their code; not one that was called this and that."""
    found: dict[str, set[str]] = {}
    for read in reads:
        for record in _records(read.result) if not hidden_in_action(read) else ():
            code, name = record.get("code"), record.get("name")
            if isinstance(code, str) and isinstance(name, str) and code and name.strip() not in ("", code):
                found.setdefault(code, set()).add(name.strip())
    return {code: next(iter(names)) for code, names in found.items() if len(names) == 1}


def _records(answer: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what a read is about: its answer, or each record in it.

    What stands inside a record may be anybody's words, as the lines of an invoice are its supplier's.
    """
    if not isinstance(answer, Mapping):
        return
    if "code" in answer:
        yield answer
        return
    for part in answer.values():
        for record in part if isinstance(part, list) else (part,):
            if isinstance(record, Mapping):
                yield record


def contradictions(action: Action, reads: list[Action]) -> list[str]:
    """Return where a value that is asked for is another than what a system said, by its name and type alone.

    Only reads about something that is asked for count, and of those a value that stands once under its name on
    both sides; text that somebody wrote is never interpreted.
    """
    hidden = {path.rpartition(".")[2] for path in hidden_in_action(action)} | OF_ANY_RECORD
    asked = _once(action.arguments)
    found = []
    for read in reads:
        said = _once(read.result) if not hidden_in_action(read) and _is_about(read, action) else {}
        for name in sorted((asked.keys() & said.keys()) - hidden):
            if differs(asked[name], said[name]):
                found.append(
                    _("%(name)s is asked as %(asked)s, and “%(read)s” said %(said)s.")
                    % {
                        "name": humanize(name),
                        "asked": _shown(asked[name]),
                        "read": read.label,
                        "said": _shown(said[name]),
                    }
                )
    return found[:MOST_WARNINGS]


def _is_about(read: Action, action: Action) -> bool:
    """Say whether a read was asked with a value that the request has, too."""
    wanted = {str(one) for _name, one in _leaves(action.arguments)}
    return any(str(one) in wanted for _name, one in _leaves(read.arguments))


def differs(asked: Any, said: Any) -> bool:
    """Say whether two values of the same type are different; values of different types say nothing."""
    if _is_money(asked) and _is_money(said):
        return bool(asked != said)
    if isinstance(asked, bool) or isinstance(said, bool):
        return isinstance(asked, bool) and isinstance(said, bool) and asked != said
    if isinstance(asked, int | float | str) and isinstance(said, int | float | str):
        return not same_value(asked, said) and isinstance(asked, str) == isinstance(said, str)
    return False


def _once(value: Any) -> dict[str, Any]:
    """Return the values that stand under their name once, in anything made of objects."""
    found: dict[str, Any] = {}
    twice: set[str] = set()
    for name, one in _leaves(value):
        if name in found:
            twice.add(name)
        found[name] = one
    return {name: one for name, one in found.items() if name not in twice}


def _leaves(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if _is_money(inner) or not isinstance(inner, Mapping | list):
                if inner not in (None, ""):
                    yield name, inner
            else:
                yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)


def _is_money(value: Any) -> bool:
    return (
        isinstance(value, Mapping) and set(value) == {"minor", "currency"} and isinstance(value["minor"], int)
    )


def _shown(value: Any) -> str:
    if _is_money(value):
        return format_minor(value["minor"], str(value["currency"])[:3])
    return in_words(value)[:80]
