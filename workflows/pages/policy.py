"""One policy: its rules as sentences in the order they decide, its versions, and what it does to calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.decision.limits_compared import limit_words
from agents.decision.speech import people
from agents.decision.versions_compared import Difference, version_difference
from agents.models import ChangeRequest, Measure, Policy, PolicyVersion, Rule, User
from agents.policies import may_publish_rule
from agents.selectors import (
    agents_in_scope,
    company_currency,
    in_order,
    measure_definition,
    speaks_of,
    versions_of,
    visible_agents,
    visible_change_requests,
    visible_measures,
    visible_policies,
    visible_rules,
    visible_throttles,
)
from connectors.selectors import visible_to as visible_operations
from workflows.appeals.selectors import visible_to as visible_appeals
from workflows.backtests.models import Backtest
from workflows.backtests.selectors import visible_to as visible_backtests
from workflows.pages.access import admin_page, for_people, page
from workflows.pages.policy_cases import Cases, cases_of
from workflows.pages.policy_list import EFFECTS, MODES, scope_names
from workflows.pages.sheets import as_sheet
from workflows.pages.words import Tag

MOST_RULES = 200
MOST_VERSIONS = 20
MOST_BESIDE = 30
MOST_OPERATIONS = 500
MOST_APPEALS = 500


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule as a person reads it, with what is known of it."""

    rule: Rule
    effect: Tag
    mode: Tag
    asks: str
    link: str
    operations: list[Any]
    cases: Cases
    trial: Backtest | None = None
    waiting: ChangeRequest | None = None
    contested: int = 0


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version: who changed it, who agreed, why, and what is otherwise than before."""

    version: PolicyVersion
    agreed_by: str
    proposed_by: str
    differences: list[Difference] = field(default_factory=list)


@never_cache
@require_safe
@for_people
def policy(request: HttpRequest, policy_id: UUID) -> HttpResponse:
    """Show one policy, or with ``?as=`` one of its tables as a file."""
    user: User = request.user  # type: ignore[assignment]
    found = get_object_or_404(visible_policies(user), pk=policy_id)
    wanted = request.GET.get("as", "")
    if wanted == "rules.csv":
        return _rules_sheet(found, _rule_lines(user, found))
    if wanted == "versions.csv":
        return _versions_sheet(found, _version_lines(found, None))
    before = request.GET.get("before", "")
    versions = _version_lines(found, int(before) if before.isdecimal() and len(before) < 9 else None)
    lines = _rule_lines(user, found)
    shown: dict[str, Any] = {
        "policy": found,
        "binds": scope_names([(found.scope_kind, found.scope_id)])[found.scope_kind, found.scope_id],
        "agents": _bound(user, found),
        "lines": lines,
        "is_more": len(lines) == MOST_RULES,
        "versions": versions[:MOST_VERSIONS],
        "earlier": versions[MOST_VERSIONS - 1].version.number if len(versions) > MOST_VERSIONS else None,
        "own_page": admin_page(found) if user.has_perm("agents.view_policy") else "",
        "may_publish": may_publish_rule(user.as_actor(), found) is None,
        "may_add": user.has_perm("agents.add_rule"),
        "may_try": user.has_perm("backtests.add_backtest"),
        "waiting": _waiting_for(user, "agents.policy", [str(found.pk)]).get(str(found.pk)),
        **_beside(user, found, lines),
    }
    return page(request, "portal/policy.html", found.name, **shown)


def _bound(user: User, policy: Policy) -> int:
    """Return how many agents it binds of those this person may see."""
    seen = visible_agents(user).exclude(lifecycle="retired")
    if policy.scope_kind != "company":
        seen = seen.filter(pk__in=agents_in_scope(policy.scope_kind, policy.scope_id).values("pk"))
    return seen.count()


def _rule_lines(user: User, policy: Policy) -> list[RuleLine]:
    mine = visible_rules(user).filter(policy=policy).select_related("approver_group")
    rules = list(in_order(mine)[:MOST_RULES])
    operations = list(visible_operations(user).order_by("code")[:MOST_OPERATIONS])
    spoken = {
        rule.pk: [one for one in operations if speaks_of(rule.operations, rule.effects, one)] for rule in rules
    }
    cases = cases_of(user, rules, spoken)
    trials = _trials(user, rules)
    waiting = _waiting_for(user, "agents.rule", [str(rule.pk) for rule in rules])
    contested = _contested(user, rules)
    return [
        RuleLine(
            rule=rule,
            effect=EFFECTS[Rule.Verdict(rule.verdict)],
            mode=MODES[Rule.Mode(rule.mode)],
            asks=asks_in_words(rule),
            link=admin_page(rule),
            operations=spoken[rule.pk],
            cases=cases[rule.pk],
            trial=trials.get(rule.pk),
            waiting=waiting.get(str(rule.pk)),
            contested=contested.get(str(rule.pk), 0),
        )
        for rule in rules
    ]


def asks_in_words(rule: Rule) -> str:
    """Return whom a rule asks and what else it demands; empty for one that asks nobody."""
    if rule.verdict != Rule.Verdict.HOLD:
        return ""
    group = rule.approver_group.name if rule.approver_group else _("those who may approve")
    parts = [_("%(many)s of %(group)s must agree") % {"many": people(rule.quorum).capitalize(), "group": group}]
    if rule.stage > 1:
        parts.append(_("at stage %(stage)s") % {"stage": rule.stage})
    if rule.step_up:
        parts.append(_("after signing in again"))
    return f"{', '.join(parts)}."


def _trials(user: User, rules: Sequence[Rule]) -> dict[Any, Backtest]:
    """Return the newest back-test of each rule; they are only read of who may see them."""
    if not user.has_perm("backtests.view_backtest"):
        return {}
    newest = visible_backtests(user).filter(rule__in=rules).order_by("rule_id", "-pk").distinct("rule_id")
    return {one.rule_id: one for one in newest}


def _waiting_for(user: User, kind: str, keys: Sequence[str]) -> dict[str, ChangeRequest]:
    pending = visible_change_requests(user).filter(
        target_kind=kind, target_id__in=keys, state=ChangeRequest.State.PENDING
    )
    return {one.target_id: one for one in pending.select_related("proposer")}


def _contested(user: User, rules: Sequence[Rule]) -> dict[str, int]:
    """Return how many appeals there were against each rule that refuses, of the newest."""
    refusing = [str(rule.pk) for rule in rules if rule.verdict == Rule.Verdict.DENY]
    if not refusing or not user.has_perm("appeals.view_appeal"):
        return {}
    against = reduce(or_, (Q(grounds__contains=[{"id": key}]) for key in refusing))
    newest = visible_appeals(user).filter(against).order_by("-pk").values_list("grounds", flat=True)
    counted: dict[str, int] = {}
    for grounds in newest[:MOST_APPEALS]:
        for one in grounds:
            counted[one["id"]] = counted.get(one["id"], 0) + 1
    return counted


def _beside(user: User, policy: Policy, lines: Sequence[RuleLine]) -> dict[str, Any]:
    """Return the limits and throttles that bind the same agents or operations."""
    same = Q(scope_kind=policy.scope_kind, scope_id=policy.scope_id) | Q(scope_kind="company")
    limits = visible_measures(user).filter(same).order_by("name", "pk")[:MOST_BESIDE]
    currency = company_currency()
    spoken = {operation for line in lines for operation in line.operations}
    named = Q(scope_kind="operation", scope_id__in=[one.code for one in spoken])
    named |= Q(scope_kind="system", scope_id__in=[str(one.system_id) for one in spoken])
    return {
        "limits": [
            {"limit": one, "words": limit_in_words(one, currency), "mode": MODES[Rule.Mode(one.mode)]}
            for one in limits
        ],
        "throttles": list(visible_throttles(user).filter(named, is_enabled=True)[:MOST_BESIDE]),
        "covered": len(spoken),
    }


def limit_in_words(limit: Measure, currency: str) -> str:
    """Return a limit as a sentence; one without a ceiling only counts."""
    if limit.ceiling is None:
        return _("%(name)s: counted, not limited") % {"name": limit.name}
    return limit_words(measure_definition(limit), currency)


def _version_lines(policy: Policy, before: int | None) -> list[VersionLine]:
    """Return versions newest first, with one more than a page shows: each is read beside the one before it."""
    found = versions_of(policy.pk)
    if before is not None:
        found = found.filter(number__lt=before)
    rows = list(found[: MOST_VERSIONS + 2])
    contents = {row.number: row.content for row in rows}
    shown = rows if len(rows) < MOST_VERSIONS + 2 else rows[:-1]
    return [_version_line(row, contents.get(row.number - 1)) for row in shown]


def _version_line(version: PolicyVersion, before: Any) -> VersionLine:
    agreed = version.change_request
    return VersionLine(
        version=version,
        agreed_by=str(agreed.approver) if agreed else "",
        proposed_by=str(agreed.proposer) if agreed else "",
        differences=version_difference(before, version.content),
    )


def _rules_sheet(policy: Policy, lines: Sequence[RuleLine]) -> HttpResponse:
    rows = (
        (
            number,
            line.rule.name,
            line.rule.sentence,
            line.effect.text,
            line.rule.get_mode_display(),
            line.rule.operations,
            " ".join(one.code for one in line.operations),
            line.asks,
            line.cases.looked,
            line.cases.matched,
            line.contested,
            line.rule.version,
        )
        for number, line in enumerate(lines, 1)
    )
    columns = (
        "order", "name", "rule", "effect", "mode", "pattern", "operations", "asks", "newest_calls",
        "applied_to", "contested", "version",
    )  # fmt: skip
    return as_sheet(f"{policy.code}-rules", columns, rows)


def _versions_sheet(policy: Policy, lines: Sequence[VersionLine]) -> HttpResponse:
    rows = (
        (
            line.version.number,
            line.version.created_at.isoformat(),
            line.version.published_by or "",
            line.proposed_by,
            line.agreed_by,
            line.version.reason,
            "; ".join(f"{one.what} {one.name}: {one.words}" for one in line.differences),
            line.version.digest,
        )
        for line in lines
    )
    columns = ("version", "at", "published_by", "proposed_by", "agreed_by", "reason", "what_changed", "digest")
    return as_sheet(f"{policy.code}-versions", columns, rows)
