"""Agents as they were in a period, what changed about them, and what people signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Min

from agents.evidence.scope import CHUNK, Names
from agents.models import Agent, Certificate, ContractSignature
from audit.evidence import Cell, Column, Kind, Scope, Table

_History: Any = Agent.history.model
# What of an agent's file is worth a row when it changes, by its name for people.
_WATCHED = {
    "name": "name",
    "purpose": "purpose",
    "sponsor_id": "sponsor",
    "deputy_id": "deputy",
    "department_id": "department",
    "role_id": "role",
    "provider": "provider",
    "model": "model",
    "version": "version",
    "labels": "labels",
    "lifecycle": "lifecycle",
    "autonomy": "autonomy",
    "brake": "brake",
    "risk_tier": "risk tier",
    "attest_by": "confirm by",
    "probation_since": "on probation since",
    "probation_until": "probation planned until",
}
_CHOICES = {
    "lifecycle": Agent.Lifecycle,
    "autonomy": Agent.Autonomy,
    "brake": Agent.Brake,
    "risk_tier": Agent.RiskTier,
    "reached_by": Agent.ReachedBy,
}


def _register(scope: Scope) -> Iterator[Sequence[Cell]]:
    """Yield every agent of the period as it was at its end; one that had left before is not of it."""
    names = Names()
    left = _first_time(lifecycle=Agent.Lifecycle.RETIRED)
    joined = _first_time()
    for row in _latest(scope):
        gone = left.get(row.id) if row.lifecycle == Agent.Lifecycle.RETIRED else None
        if row.history_type == "-" or (gone and gone < scope.since):
            continue
        if not scope.has_department(row.department_id):
            continue
        yield (
            row.code,
            row.name,
            row.purpose,
            names.person(row.sponsor_id),
            names.person(row.deputy_id),
            names.department(row.department_id),
            names.role(row.role_id),
            _said(names, "risk_tier", row.risk_tier),
            _said(names, "lifecycle", row.lifecycle),
            _said(names, "autonomy", row.autonomy),
            _said(names, "brake", row.brake),
            " ".join(part for part in (row.provider, row.model, row.version) if part),
            joined.get(row.id),
            gone,
            row.probation_since,
            str(row.attest_by or ""),
            str(row.id),
        )


def _latest(scope: Scope) -> Iterator[Any]:
    before = _History.objects.filter(history_date__lt=scope.until)
    newest = before.order_by("id", "-history_date", "-history_id").distinct("id").values("history_id")
    return _History.objects.filter(history_id__in=newest).order_by("code", "id").iterator(CHUNK)


def _first_time(**conditions: Any) -> dict[Any, Any]:
    rows = _History.objects.filter(**conditions).order_by().values_list("id")
    return dict(rows.annotate(at=Min("history_date")))


def _changes(scope: Scope) -> Iterator[Sequence[Cell]]:
    """Yield who joined, left or changed, agent by agent."""
    names, previous = Names(), None
    rows = _History.objects.filter(history_date__lt=scope.until).order_by(
        "code", "id", "history_date", "history_id"
    )
    for row in rows.iterator(CHUNK):
        before = previous if previous is not None and previous.id == row.id else None
        previous = row
        if row.history_date < scope.since or not scope.has_department(row.department_id):
            continue
        what = _differences(names, before, row)
        if what:
            who = names.person(row.history_user_id) or "The portal"
            yield (
                row.history_date,
                row.code,
                row.name,
                _kind(before, row),
                what,
                who,
                row.history_change_reason or "",
            )


def _kind(before: Any, row: Any) -> str:
    if before is None:
        return "Joined"
    retired = Agent.Lifecycle.RETIRED
    if row.history_type == "-" or (row.lifecycle == retired and before.lifecycle != retired):
        return "Left"
    return "Changed"


def _differences(names: Names, before: Any, row: Any) -> list[str]:
    if before is None:
        return [
            f"{words}: {said}"
            for name, words in _WATCHED.items()
            if (said := _said(names, name, getattr(row, name)))
        ]
    if row.history_type == "-":
        return ["its file was removed"]
    return [
        f"{words}: {_said(names, name, getattr(before, name)) or 'nothing'}"
        f" became {_said(names, name, getattr(row, name)) or 'nothing'}"
        for name, words in _WATCHED.items()
        if getattr(before, name) != getattr(row, name)
    ]


def _said(names: Names, name: str, value: Any) -> str:
    if name in ("sponsor_id", "deputy_id"):
        return names.person(value)
    if name == "department_id":
        return names.department(value)
    if name == "role_id":
        return names.role(value)
    if name in _CHOICES:
        return str(dict(_CHOICES[name].choices).get(value, value))
    if isinstance(value, list):
        return ", ".join(value)
    return "" if value is None else f"{value:%Y-%m-%d}" if hasattr(value, "strftime") else str(value)


def _decisions(scope: Scope) -> Iterator[Sequence[Cell]]:
    found = Certificate.objects.filter(scope.within("issued_at"), scope.of_agents("agent_id"))
    for one in found.select_related("agent").order_by("issued_at", "pk").iterator(CHUNK):
        yield (
            one.issued_at,
            one.agent.code,
            one.get_kind_display(),
            one.signer_label,
            one.proposer_label,
            one.reason,
            one.digest,
            one.contract_digest,
        )


def _contracts(scope: Scope) -> Iterator[Sequence[Cell]]:
    found = ContractSignature.objects.filter(scope.within("signed_at"), scope.of_agents("agent_id"))
    for one in (
        found.select_related("agent").order_by("signed_at", "pk").defer("content", "text").iterator(CHUNK)
    ):
        yield (
            one.signed_at,
            one.agent.code,
            one.signer_label,
            one.get_capacity_display(),
            one.reason,
            one.digest,
        )


TABLES = (
    Table(
        "agents.register",
        "Agents in the period",
        "Every agent that was employed or a draft in the period, as its file stood at the end of it.",
        (
            Column("code", "Code"),
            Column("name", "Name"),
            Column("purpose", "For what"),
            Column("sponsor", "Sponsor"),
            Column("deputy", "Deputy"),
            Column("department", "Department"),
            Column("role", "Role"),
            Column("risk_tier", "Risk"),
            Column("lifecycle", "Employment"),
            Column("autonomy", "Autonomy"),
            Column("brake", "Brake"),
            Column("model", "Model and version"),
            Column("joined_at", "Joined", Kind.MOMENT),
            Column("left_at", "Left", Kind.MOMENT),
            Column("probation_since", "On probation since", Kind.MOMENT),
            Column("attest_by", "Confirm by"),
            Column("id", "Id"),
        ),
        _register,
        "There was no agent in this period.",
    ),
    Table(
        "agents.changes",
        "Who joined, left and changed",
        "Every change of an agent's file in the period, from its history: what became what, by whom, and why.",
        (
            Column("at", "When", Kind.MOMENT),
            Column("code", "Agent"),
            Column("name", "Name then"),
            Column("kind", "What"),
            Column("changes", "Of what to what"),
            Column("by", "By whom"),
            Column("reason", "Reason given"),
        ),
        _changes,
        "No agent joined, left or changed in this period.",
    ),
    Table(
        "agents.decisions",
        "Decisions about employment",
        "Activations, promotions, demotions, confirmations and retirements: each left a certificate.",
        (
            Column("at", "When", Kind.MOMENT),
            Column("agent", "Agent"),
            Column("kind", "Decision"),
            Column("signer", "Decided by"),
            Column("proposer", "Asked for by"),
            Column("reason", "Reason given"),
            Column("digest", "SHA-256 of the certificate"),
            Column("contract", "SHA-256 of the contract then"),
        ),
        _decisions,
        "No such decision was made in this period.",
    ),
    Table(
        "agents.contracts",
        "Contracts that were signed",
        "Who read what binds an agent and signed exactly that.",
        (
            Column("at", "When", Kind.MOMENT),
            Column("agent", "Agent"),
            Column("signer", "Signed by"),
            Column("capacity", "As its"),
            Column("reason", "What they said"),
            Column("digest", "SHA-256 of what was signed"),
        ),
        _contracts,
        "No contract was signed in this period.",
    ),
)
