"""Which rules and limits were in force in a period, version by version, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import F, Q, Window
from django.db.models.functions import Lead

from agents.decision.speech import people, sentence
from agents.evidence.scope import CHUNK, Names
from agents.models import Measure, PolicyVersion, Rule
from agents.selectors.sentences import limit_words
from audit.evidence import Cell, Column, Kind, Scope, Table, lines

_History: Any = Measure.history.model
_VERDICT = {"deny": "It is refused.", "none": "It only adds duties."}


def _versions_in_force(scope: Scope) -> Iterator[PolicyVersion]:
    """Yield every version that was in force at some time of the period; ``until`` is when the next one came."""
    following = Window(Lead("created_at"), partition_by=[F("policy")], order_by=F("number").asc())
    found = PolicyVersion.objects.annotate(until=following).filter(created_at__lt=scope.until)
    in_force = found.filter(Q(until__isnull=True) | Q(until__gt=scope.since))
    return in_force.select_related("policy", "published_by").order_by("policy__code", "number").iterator(CHUNK)


def _versions(scope: Scope) -> Iterator[Sequence[Cell]]:
    names = Names()
    for version in _versions_in_force(scope):
        rules = version.content.get("rules", [])
        yield (
            version.policy.code,
            version.number,
            names.scope(*version.content.get("scope", ["company", ""])),
            version.created_at,
            version.until,  # type: ignore[attr-defined]
            str(version.published_by or "The portal"),
            version.reason,
            len(rules),
            sum(rule.get("mode") == Rule.Mode.ENFORCED for rule in rules),
            version.digest,
        )


def _rules(scope: Scope) -> Iterator[Sequence[Cell]]:
    for version in _versions_in_force(scope):
        for rule in version.content.get("rules", []):
            yield (
                version.policy.code,
                version.number,
                rule.get("name", ""),
                lines(*_words(rule)),
                dict(Rule.Mode.choices).get(rule.get("mode", ""), ""),
                rule.get("operations", ""),
                rule.get("condition", ""),
                str(rule.get("rule_id", "")),
            )


def _words(rule: dict[str, Any]) -> Iterator[str]:
    yield sentence(rule.get("sentence", ""))
    verdict = rule.get("verdict", "")
    if verdict == Rule.Verdict.HOLD:
        who = rule.get("approver_group") or "those who may approve"
        yield sentence(f"{people(rule.get('quorum', 1))} of {who} must agree")
    elif verdict in _VERDICT:
        yield _VERDICT[verdict]
    if rule.get("stage", 1) > 1:
        yield f"At stage {rule['stage']}."
    if rule.get("step_up"):
        yield "They have to show again who they are."
    if levels := rule.get("levels"):
        yield f"If nobody decides, others are asked, on {len(levels)} further levels."


def _limits(scope: Scope) -> Iterator[Sequence[Cell]]:
    names = Names()
    before = _History.objects.filter(history_date__lt=scope.until)
    newest = before.order_by("id", "-history_date", "-history_id").distinct("id").values("history_id")
    for row in (
        _History.objects.filter(history_id__in=newest)
        .exclude(history_type="-")
        .order_by("code")
        .iterator(CHUNK)
    ):
        yield (
            row.code,
            names.scope(row.scope_kind, row.scope_id),
            limit_words(row.instance),
            str(dict(Measure._meta.get_field("mode").flatchoices).get(row.mode, row.mode)),
            row.operations,
            row.history_date,
            names.person(row.history_user_id) or "The portal",
            row.history_change_reason or "",
        )


TABLES = (
    Table(
        "policies.versions",
        "Versions of policies in force",
        "Every version of a policy that was in force in the period: from when, until when, published by whom.",
        (
            Column("policy", "Policy"),
            Column("number", "Version", Kind.NUMBER),
            Column("scope", "Binds"),
            Column("since", "In force from", Kind.MOMENT),
            Column("until", "Until", Kind.MOMENT),
            Column("published_by", "Published by"),
            Column("reason", "Why"),
            Column("rules", "Rules", Kind.NUMBER),
            Column("enforced", "Of them enforced", Kind.NUMBER),
            Column("digest", "SHA-256 of the version"),
        ),
        _versions,
        "No policy was in force in this period.",
        whole_company=True,
    ),
    Table(
        "policies.rules",
        "Their rules in words",
        "What each of these versions said.",
        (
            Column("policy", "Policy"),
            Column("number", "Version", Kind.NUMBER),
            Column("rule", "Rule"),
            Column("words", "In words"),
            Column("mode", "Mode"),
            Column("operations", "Operations"),
            Column("condition", "Exact condition"),
            Column("rule_id", "Id"),
        ),
        _rules,
        "No rule was in force in this period.",
        whole_company=True,
    ),
    Table(
        "policies.limits",
        "Limits",
        "Limits and counters as they stood at the end of the period, and who set them so.",
        (
            Column("code", "Limit"),
            Column("scope", "Binds"),
            Column("words", "In words"),
            Column("mode", "Mode"),
            Column("operations", "Operations"),
            Column("since", "So since", Kind.MOMENT),
            Column("by", "Set by"),
            Column("reason", "Why"),
        ),
        _limits,
        "There was no limit in this period.",
        whole_company=True,
    ),
)
