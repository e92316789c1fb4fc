"""What agents asked for in a period, in numbers and one by one; what people changed of it; what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, Sum

from audit import evidence
from audit.evidence import Cell, Column, Kind, Scope, Table, actions_with, event_table, said_of_actions
from workflows.actions.choices import Outcome, State
from workflows.actions.models import Action, StandingApproval

CHUNK = 2_000
_REFUSED = (State.DENIED, State.REJECTED, State.EXPIRED, State.STOPPED)


def _of_period(scope: Scope) -> Any:
    return Action.objects.filter(scope.within("requested_at"), scope.of_agents("agent_id")).order_by()


def _state(*states: State) -> Count:
    return Count("pk", filter=Q(state__in=states))


def _numbers(scope: Scope) -> Iterator[Sequence[Cell]]:
    rows = (
        _of_period(scope)
        .values_list("agent__code", "operation_code")
        .annotate(
            asked=Count("pk"),
            allowed=Count("pk", filter=Q(authorization_id__isnull=False)),
            held=Count("pk", filter=Q(approval__isnull=False)),
            in_advance=Count("pk", filter=Q(standing__isnull=False)),
            denied=_state(State.DENIED),
            rejected=_state(State.REJECTED),
            lapsed=_state(State.EXPIRED, State.WITHDRAWN, State.SUPERSEDED),
            stopped=_state(State.STOPPED),
            confirmed=_state(State.CONFIRMED),
            failed=_state(State.FAILED),
            in_doubt=_state(State.IN_DOUBT),
            open=_state(State.REQUESTED, State.HELD, State.AUTHORIZED, State.DISPATCHED),
            differs=Count("pk", filter=Q(outcome=Outcome.DIFFERS)),
            amount=Sum("amount_company_minor", filter=Q(state=State.CONFIRMED)),
        )
    )
    yield from rows.order_by("agent__code", "operation_code").iterator(CHUNK)


def _refusals(scope: Scope) -> Iterator[Sequence[Cell]]:
    rows = _of_period(scope).filter(state__in=_REFUSED).values_list("operation_code", "state", "code")
    states = dict(State.choices)
    for operation, state, code, number in rows.annotate(number=Count("pk")).order_by(
        "operation_code", "state", "code"
    ):
        yield operation, states.get(state, state), code, number


def _every(scope: Scope) -> Iterator[Sequence[Cell]]:
    states, outcomes = dict(State.choices), dict(Outcome.choices)
    fields = (
        "requested_at",
        "agent__code",
        "operation_code",
        "label",
        "state",
        "code",
        "policy_version",
        "decided_at",
    )
    more = ("finished_at", "outcome", "remote_ref", "approval_id", "correlation_id", "id")
    for row in _of_period(scope).order_by("requested_at", "pk").values_list(*fields, *more).iterator(CHUNK):
        asked, agent, operation, label, state, code, rules, decided, ended, outcome, remote, *ids = row
        said = outcomes.get(outcome, outcome)
        told = (
            asked,
            agent,
            operation,
            label,
            states.get(state, state),
            code,
            rules,
            decided,
            ended,
            said,
            remote,
        )
        yield *told, *(str(one or "") for one in ids)


def _edits(scope: Scope) -> Iterator[Sequence[Cell]]:
    found = _of_period(scope).filter(edited_by__isnull=False).select_related("agent", "edited_by", "replaces")
    for one in found.order_by("requested_at", "pk").iterator(CHUNK):
        yield (
            one.requested_at,
            one.agent.code,
            one.operation_code,
            one.label,
            str(one.edited_by),
            one.edit_reason,
            _changed(one.replaces.arguments, one.arguments),
            one.get_state_display(),
            str(one.replaces_id),
            str(one.pk),
        )


def _changed(old: Any, new: Any) -> list[str]:
    """Return which arguments a person changed: their names; the values are in the actions."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return ["all of it"]
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def _doubts(scope: Scope) -> Iterator[Sequence[Cell]]:
    """Yield the actions of which nobody could tell whether they were done, and what became of each."""
    for together in actions_with(scope, ["actions.action_in_doubt"]):
        since = dict(together)
        ended = said_of_actions(list(since), ["actions.action_confirmed", "actions.action_failed"])
        actions = Action.objects.filter(pk__in=list(since)).select_related("agent")
        for one in sorted(actions, key=lambda found: (since[str(found.pk)], str(found.pk))):
            if scope.has_agent(one.agent_id):
                yield _doubt(one, since[str(one.pk)], ended.get(str(one.pk)))


def _doubt(one: Action, since: datetime, ended: tuple[datetime, str, str] | None) -> Sequence[Cell]:
    at, who, why = ended or (None, "", "")
    return (
        since,
        one.agent.code,
        one.operation_code,
        one.label,
        one.get_state_display(),
        one.sentence,
        who,
        why,
        at,
        (at - since).total_seconds() if at else None,
        one.code == "resolved_by_person",
        str(one.pk),
    )


def _failures(scope: Scope) -> Iterator[Sequence[Cell]]:
    wrong = Q(state=State.FAILED) | Q(state=State.CONFIRMED, outcome=Outcome.DIFFERS)
    found = Action.objects.filter(scope.within("finished_at"), scope.of_agents("agent_id"), wrong)
    for one in found.select_related("agent").order_by("finished_at", "pk").iterator(CHUNK):
        what = "Not as decided" if one.state == State.CONFIRMED else "Not done"
        yield (
            one.finished_at,
            one.agent.code,
            one.operation_code,
            one.label,
            what,
            one.code,
            one.sentence,
            one.attempt,
            str(one.pk),
        )


def _standing(scope: Scope) -> Iterator[Sequence[Cell]]:
    found = StandingApproval.objects.filter(
        Q(revoked_at__isnull=True) | Q(revoked_at__gte=scope.since),
        scope.of_agents("agent_id") | Q(role__isnull=False),
        created_at__lt=scope.until,
        until__gte=scope.since,
    )
    people = ("agent", "role", "operation", "granted_by", "agreed_by", "revoked_by")
    in_period = Count("uses", filter=scope.within("uses__requested_at"))
    rows = found.select_related(*people).annotate(in_period=in_period)
    for one in rows.order_by("created_at", "pk").iterator(CHUNK):
        yield (
            one.created_at,
            f"agent {one.agent.code}" if one.agent else f"role {one.role.code if one.role else ''}",
            one.operation.code,
            one.words,
            str(one.granted_by),
            str(one.agreed_by),
            one.reason,
            one.starts_at,
            one.until,
            one.most_uses,
            one.used,
            one.in_period,
            one.revoked_at,
            str(one.revoked_by or ""),
            one.revoke_reason,
        )


def register_tables() -> None:
    """Add the tables of this room."""
    evidence.register(*TABLES)


_WHAT = (Column("agent", "Agent"), Column("operation", "Operation"), Column("label", "What"))

TABLES = (
    Table(
        "numbers.actions",
        "By agent and operation",
        "What was asked for in the period and what had become of it when the pack was built.",
        (
            Column("agent", "Agent"),
            Column("operation", "Operation"),
            *(
                Column(code, title, Kind.NUMBER)
                for code, title in (
                    ("asked", "Asked"),
                    ("allowed", "Allowed"),
                    ("held", "Held for people"),
                    ("in_advance", "Approved in advance"),
                    ("denied", "Denied"),
                    ("rejected", "Rejected"),
                    ("lapsed", "Lapsed or withdrawn"),
                    ("stopped", "Stopped"),
                    ("confirmed", "Done"),
                    ("failed", "Failed"),
                    ("in_doubt", "In doubt"),
                    ("open", "Still open"),
                    ("differs", "Not as decided"),
                    ("amount_minor", "Amount done, in minor units"),
                )
            ),
        ),
        _numbers,
        "No agent asked for anything in this period.",
    ),
    Table(
        "numbers.refusals",
        "Why it was not done",
        "What was denied, rejected, stopped or lapsed, by its stable code.",
        (
            Column("operation", "Operation"),
            Column("state", "What became of it"),
            Column("code", "Code"),
            Column("number", "Actions", Kind.NUMBER),
        ),
        _refusals,
        "Nothing was refused in this period.",
    ),
    Table(
        "numbers.every",
        "Every action",
        "All that agents asked for, one by one, for drawing a sample. Arguments are in the ledger, not here.",
        (
            Column("asked_at", "Asked", Kind.MOMENT),
            *_WHAT,
            Column("state", "State"),
            Column("code", "Code"),
            Column("policy_version", "Rules then"),
            Column("decided_at", "Decided", Kind.MOMENT),
            Column("finished_at", "Ended", Kind.MOMENT),
            Column("outcome", "Read back"),
            Column("remote_ref", "Record over there"),
            Column("approval", "Id of the request to people"),
            Column("correlation", "Correlation"),
            Column("id", "Id"),
        ),
        _every,
        "No agent asked for anything in this period.",
    ),
    Table(
        "interventions.edits",
        "Arguments that people changed",
        "Requests of agents that a person changed before another person decided. Values are in the actions.",
        (
            Column("at", "When", Kind.MOMENT),
            *_WHAT,
            Column("by", "Changed by"),
            Column("reason", "Why"),
            Column("changed", "Which arguments"),
            Column("state", "What became of it"),
            Column("replaces", "Id of what it replaced"),
            Column("id", "Id"),
        ),
        _edits,
        "Nobody changed what an agent asked for in this period.",
    ),
    Table(
        "incidents.doubts",
        "Doubts and how they were resolved",
        "Actions of which nobody could tell whether they were done: who or what found out, when, and how.",
        (
            Column("since", "In doubt since", Kind.MOMENT),
            *_WHAT,
            Column("state", "State"),
            Column("sentence", "In words"),
            Column("by", "Resolved by"),
            Column("reason", "How they know"),
            Column("resolved_at", "Resolved", Kind.MOMENT),
            Column("took", "After", Kind.SECONDS),
            Column("by_person", "By a person", Kind.YES_NO),
            Column("id", "Id"),
        ),
        _doubts,
        "No action was in doubt in this period.",
    ),
    Table(
        "incidents.failures",
        "Actions that failed or came out differently",
        "What was not done, and what was found not to be as decided when it was read back.",
        (
            Column("at", "When", Kind.MOMENT),
            *_WHAT,
            Column("what", "What"),
            Column("code", "Code"),
            Column("sentence", "In words"),
            Column("attempts", "Attempts", Kind.NUMBER),
            Column("id", "Id"),
        ),
        _failures,
        "No action failed in this period.",
    ),
    Table(
        "authority.standing",
        "Approved in advance",
        "What two people let through in advance, within which bounds, how often it was used, who ended it.",
        (
            Column("given_at", "Given", Kind.MOMENT),
            Column("whose", "Of whom"),
            Column("operation", "Operation"),
            Column("words", "In words"),
            Column("granted_by", "Granted by"),
            Column("agreed_by", "Second person"),
            Column("reason", "Why"),
            Column("starts_at", "From", Kind.MOMENT),
            Column("until", "Until", Kind.MOMENT),
            Column("most_uses", "At most", Kind.NUMBER),
            Column("used", "Used", Kind.NUMBER),
            Column("used_in_period", "Of it in the period", Kind.NUMBER),
            Column("revoked_at", "Ended early", Kind.MOMENT),
            Column("revoked_by", "Ended by"),
            Column("revoke_reason", "Why ended"),
        ),
        _standing,
        "Nothing was approved in advance in this period.",
    ),
    event_table(
        "interventions.resolutions",
        "Withdrawals, and changes that were refused",
        "Actions that were withdrawn, and what people wanted to change and a rule did not let through.",
        (
            "actions.action_withdrawn",
            "actions.edit_refused",
            "actions.resolution_refused",
            "actions.withdrawal_refused",
        ),
    ),
)
