"""Changes of authority: what waited for a second person, and what only tightened and needed none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import Q

from agents.evidence.scope import CHUNK
from agents.models import ChangeRequest
from audit.evidence import Cell, Column, Kind, Scope, Table, event_table

AT_ONCE = (
    "agents.rule_added",
    "agents.rule_changed",
    "agents.rule_removed",
    "agents.policy_created",
    "agents.policy_described",
    "agents.policy_moved",
    "agents.measure_added",
    "agents.measure_changed",
    "agents.throttle_added",
    "agents.throttle_changed",
    "agents.terms_changed",
    "agents.autonomy_set",
    "agents.agent_reassigned",
    "agents.agent_updated",
    "agents.role_created",
    "agents.role_changed",
    "agents.role_taken",
    "agents.department_created",
    "agents.department_changed",
    "agents.company_changed",
    "agents.exchange_rate_set",
    "agents.failures_forgiven",
)


def _changes(scope: Scope) -> Iterator[Sequence[Cell]]:
    of_period = scope.within("created_at") | scope.within("decided_at")
    found = ChangeRequest.objects.filter(of_period, _of(scope)).select_related("proposer", "approver")
    for one in found.order_by("created_at", "pk").iterator(CHUNK):
        yield (
            one.created_at,
            one.target_label,
            one.summary,
            [str(said) for said in one.authority],
            str(one.proposer),
            one.reason,
            one.get_state_display(),
            str(one.approver or ""),
            one.decided_at,
            (one.decided_at - one.created_at).total_seconds() if one.decided_at else None,
            one.decision_reason,
            one.kind,
            one.payload_digest,
            str(one.pk),
        )


def _of(scope: Scope) -> Q:
    """Of some departments: what was about an agent of theirs or about one of them."""
    if scope.departments is None or scope.agents is None:
        return Q()
    return Q(target_id__in=sorted(scope.departments | scope.agents))


TABLES = (
    Table(
        "authority.changes",
        "Changes that took two people",
        "What gives more authority: who proposed it, what it lets whom do in words, who decided, and when.",
        (
            Column("proposed_at", "Proposed", Kind.MOMENT),
            Column("target", "About"),
            Column("summary", "What"),
            Column("authority", "What it lets whom do"),
            Column("proposer", "Proposed by"),
            Column("reason", "Why"),
            Column("state", "State"),
            Column("approver", "Decided by"),
            Column("decided_at", "Decided", Kind.MOMENT),
            Column("took", "Took", Kind.SECONDS),
            Column("decision_reason", "Why decided so"),
            Column("kind", "Kind"),
            Column("digest", "SHA-256 of the change"),
            Column("id", "Id"),
        ),
        _changes,
        "No change of authority was proposed or decided in this period.",
    ),
    event_table(
        "authority.settings",
        "Changes of rules, limits and settings",
        "Every change of a rule, a limit or a setting: made at once as it tightens, or by two people.",
        AT_ONCE,
    ),
)
