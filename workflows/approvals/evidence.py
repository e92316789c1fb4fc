"""What people were asked in a period, how they decided, how long it took and how carefully."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import OuterRef, Prefetch, Q, Subquery

from agents.models import User
from audit import evidence
from audit.evidence import Cell, Column, Kind, Scope, Table
from workflows.approvals.models import Approval, Delegation, Opening, QuickDecisions, Vote

CHUNK = 500
# Votes with how long each took from having the request open, of the approvals that a pack is about.
_VOTES = """
  FROM approvals_vote v JOIN approvals_approval a ON a.id = v.approval_id
  LEFT JOIN LATERAL (SELECT min(o.at) AS at FROM approvals_opening o WHERE o.approval_id = v.approval_id
                        AND o.person_id = v.user_id AND o.at <= v.at) opened ON true
 WHERE v.at >= %(since)s AND v.at < %(until)s
   AND (%(agents)s::text[] IS NULL OR a."references" ->> 'agent_id' = ANY (%(agents)s)
        OR a."references" ->> 'department_id' = ANY (%(departments)s))
"""
_BY_PERSON = f"""
SELECT v.user_id, count(*), count(*) FILTER (WHERE v.verdict = 'approve'),
       count(*) FILTER (WHERE v.verdict = 'reject'), count(*) FILTER (WHERE v.on_behalf_of_id IS NOT NULL),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM v.at - opened.at)),
       count(*) FILTER (WHERE v.at - opened.at < make_interval(secs => %(quick)s)),
       count(*) FILTER (WHERE opened.at IS NULL AND v.verdict = 'approve') {_VOTES}
 GROUP BY v.user_id ORDER BY v.user_id
"""
_NUMBERS = """
SELECT a.subject_kind, a.state, count(*),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM a.decided_at - a.created_at)),
       percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM a.decided_at - a.created_at)),
       max(extract(epoch FROM a.decided_at - a.created_at))::float
  FROM approvals_approval a
 WHERE a.created_at >= %(since)s AND a.created_at < %(until)s
   AND (%(agents)s::text[] IS NULL OR a."references" ->> 'agent_id' = ANY (%(agents)s)
        OR a."references" ->> 'department_id' = ANY (%(departments)s))
 GROUP BY a.subject_kind, a.state ORDER BY a.subject_kind, a.state
"""


def _asked(query: str, scope: Scope) -> Iterator[Sequence[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(
            query,
            {
                "since": scope.since,
                "until": scope.until,
                "agents": None if scope.agents is None else sorted(scope.agents),
                "departments": None if scope.departments is None else sorted(scope.departments),
                "quick": settings.QUICK_DECISION_SECONDS,
            },
        )
        yield from cursor.fetchall()


def _of(scope: Scope, prefix: str = "") -> Q:
    if scope.agents is None:
        return Q()
    agents, departments = f"{prefix}references__agent_id__in", f"{prefix}references__department_id__in"
    return Q(**{agents: sorted(scope.agents)}) | Q(**{departments: sorted(scope.departments or ())})


def _decisions(scope: Scope) -> Iterator[Sequence[Cell]]:
    found = Approval.objects.filter(scope.within("created_at") | scope.within("decided_at"), _of(scope))
    votes = Prefetch("votes", Vote.objects.select_related("user", "on_behalf_of", "through"))
    rows = found.defer("explanation", "calendar").prefetch_related(votes, "stages", "escalations")
    for one in rows.order_by("created_at", "pk").iterator(CHUNK):
        cast = list(one.votes.all())
        yield (
            one.created_at,
            one.subject_kind,
            one.subject_label,
            one.requester_label,
            one.sentence,
            one.get_state_display(),
            one.quorum,
            len(one.stages.all()),
            [f"{vote.whose}: {vote.get_verdict_display().lower()}" for vote in cast],
            sum(vote.on_behalf_of_id is not None for vote in cast),
            sum(level.done_at is not None for level in one.escalations.all()),
            one.decided_at,
            (one.decided_at - one.created_at).total_seconds() if one.decided_at else None,
            one.reason,
            one.used_at,
            one.policy_version,
            one.digest,
            str(one.pk),
        )


def _votes(scope: Scope) -> Iterator[Sequence[Cell]]:
    opened = Opening.objects.filter(
        approval=OuterRef("approval"), person=OuterRef("user"), at__lte=OuterRef("at")
    )
    found = Vote.objects.filter(scope.within("at"), _of(scope, "approval__"))
    rows = found.annotate(opened_at=Subquery(opened.order_by("at").values("at")[:1]))
    for one in (
        rows.select_related("approval", "user", "on_behalf_of", "through").order_by("at", "pk").iterator(CHUNK)
    ):
        took = (one.at - one.opened_at).total_seconds() if one.opened_at else None
        yield (
            one.at,
            one.approval.subject_label,
            one.whose,
            one.on_behalf_of_id is not None,
            one.stage,
            one.get_verdict_display(),
            one.reason,
            one.opened_at is not None,
            took,
            took is not None and took < settings.QUICK_DECISION_SECONDS,
            one.step_up_method,
            one.digest,
            str(one.approval_id),
        )


def _people(scope: Scope) -> Iterator[Sequence[Cell]]:
    names = {one.pk: str(one) for one in User.objects.filter(kind=User.Kind.PERSON)}
    found = [(names.get(row[0], str(row[0])), *row[1:]) for row in _asked(_BY_PERSON, scope)]
    yield from sorted(found, key=lambda row: (-row[1], row[0]))


def _numbers(scope: Scope) -> Iterator[Sequence[Cell]]:
    states = dict(Approval.State.choices)
    for kind, state, *numbers in _asked(_NUMBERS, scope):
        yield kind, states.get(state, state), *numbers


def _quick(scope: Scope) -> Iterator[Sequence[Cell]]:
    found = QuickDecisions.objects.filter(scope.within("at")).select_related("person")
    for one in found.order_by("at", "pk"):
        yield one.at, str(one.person), one.sentence


def _delegations(scope: Scope) -> Iterator[Sequence[Cell]]:
    first, last = scope.since.date(), scope.until.date()
    found = Delegation.objects.filter(first_day__lte=last, last_day__gte=first, created_at__lt=scope.until)
    lasting = found.filter(Q(withdrawn_at=None) | Q(withdrawn_at__gte=scope.since))
    people = ("giver", "delegate", "given_by", "withdrawn_by")
    for one in lasting.select_related(*people).order_by("first_day", "pk"):
        yield (
            str(one.giver),
            str(one.delegate),
            one.first_day.isoformat(),
            one.last_day.isoformat(),
            one.reason,
            str(one.given_by),
            one.created_at,
            one.withdrawn_at,
            str(one.withdrawn_by or ""),
            one.withdraw_reason,
        )


def register_tables() -> None:
    """Add the tables of this room."""
    evidence.register(*TABLES)


TABLES = (
    Table(
        "approvals.numbers",
        "In numbers",
        "How many requests of the period ended how, and how long that took from being asked.",
        (
            Column("kind", "About what"),
            Column("state", "State"),
            Column("number", "Requests", Kind.NUMBER),
            Column("median", "Half took less than", Kind.SECONDS),
            Column("nine_in_ten", "Nine in ten took less than", Kind.SECONDS),
            Column("longest", "Longest", Kind.SECONDS),
        ),
        _numbers,
        "Nobody was asked anything in this period.",
    ),
    Table(
        "approvals.people",
        "By person",
        "How each person decided: how long requests were open to them, how often quickly, how often unopened.",
        (
            Column("person", "Person"),
            Column("votes", "Decisions", Kind.NUMBER),
            Column("approved", "Approved", Kind.NUMBER),
            Column("rejected", "Rejected", Kind.NUMBER),
            Column("delegated", "For somebody else", Kind.NUMBER),
            Column("median", "Half took less than", Kind.SECONDS),
            Column("quick", "Quick ones", Kind.NUMBER),
            Column("unopened", "Approved without opening", Kind.NUMBER),
        ),
        _people,
        "Nobody decided anything in this period.",
    ),
    Table(
        "approvals.requests",
        "Requests and how they were decided",
        "Every request that was asked or decided in the period: when, by whom, at how many stages, how long.",
        (
            Column("asked_at", "Asked", Kind.MOMENT),
            Column("kind", "Kind"),
            Column("about", "About"),
            Column("requester", "Asked by"),
            Column("why", "Why people were asked"),
            Column("state", "State"),
            Column("quorum", "People needed", Kind.NUMBER),
            Column("stages", "Stages", Kind.NUMBER),
            Column("votes", "Votes"),
            Column("delegated", "For somebody else", Kind.NUMBER),
            Column("escalated", "Others asked later", Kind.NUMBER),
            Column("decided_at", "Decided", Kind.MOMENT),
            Column("took", "Took", Kind.SECONDS),
            Column("reason", "Reason given"),
            Column("used_at", "Used", Kind.MOMENT),
            Column("policy_version", "Rules then"),
            Column("digest", "SHA-256 of what was shown"),
            Column("id", "Id"),
        ),
        _decisions,
        "Nobody was asked anything in this period.",
    ),
    Table(
        "approvals.votes",
        "Votes",
        "Every vote: whether the request was open before, for how long, how the voter had shown who they are.",
        (
            Column("at", "When", Kind.MOMENT),
            Column("about", "About"),
            Column("whose", "Whose"),
            Column("delegated", "For somebody else", Kind.YES_NO),
            Column("stage", "Stage", Kind.NUMBER),
            Column("verdict", "Vote"),
            Column("reason", "Reason given"),
            Column("opened", "Was open before", Kind.YES_NO),
            Column("took", "Open for", Kind.SECONDS),
            Column("quick", "Quick", Kind.YES_NO),
            Column("step_up", "Shown again by"),
            Column("digest", "SHA-256 of what was seen"),
            Column("approval", "Id of the request"),
        ),
        _votes,
        "Nobody voted in this period.",
    ),
    Table(
        "approvals.quick",
        "Managers told of quick decisions",
        "Where decisions came too quickly to have been read, and a manager was told.",
        (Column("at", "When", Kind.MOMENT), Column("person", "Whose"), Column("sentence", "What was seen")),
        _quick,
        "Nobody's decisions came too quickly in this period.",
        whole_company=True,
    ),
    Table(
        "access.delegations",
        "Who decided for whom",
        "Delegations that were in force in the period.",
        (
            Column("giver", "Who was away"),
            Column("delegate", "Who decided"),
            Column("first_day", "First day"),
            Column("last_day", "Last day"),
            Column("reason", "Why"),
            Column("given_by", "Said by"),
            Column("given_at", "Given", Kind.MOMENT),
            Column("withdrawn_at", "Ended early", Kind.MOMENT),
            Column("withdrawn_by", "Ended by"),
            Column("withdraw_reason", "Why ended"),
        ),
        _delegations,
        "Nobody decided for anybody in this period.",
        whole_company=True,
    ),
)
