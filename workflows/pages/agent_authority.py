"""What an agent may do, as its file says it: operations, limits with what is left of them, who approves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from agents import registry
from agents.decision import wording
from agents.decision.budgets import is_budget
from agents.decision.facts import Mode
from agents.decision.leave import How, Leave, approvers_of, leaves_of
from agents.decision.reach import granted, reach_of_rule
from agents.decision.speech import spoken
from agents.decision.terms import budget_words, counted_words
from agents.models import Agent, User
from agents.selectors import PresentAuthority, authority_now, company_currency
from agents.services.measures import Left, left_of_limits
from connectors.choices import Category
from workflows.pages.words import Tag, humanize

CATEGORIES = {str(value): str(label) for value, label in Category.choices}
MOST_OPERATIONS = 60
MOST_LIMITS = 40


@dataclass(frozen=True, slots=True)
class LeaveLine:
    """One operation of an agent: what it does over there, and how freely it may be used."""

    name: str
    code: str
    link: str
    system: str
    does: Tag
    how: Tag
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LimitLine:
    """One limit. ``percent`` is None where there is no one number to show."""

    name: str
    link: str
    most: str
    used: str
    left: str
    percent: int | None
    beyond: str
    is_shadow: bool
    is_near: bool


def authority_of(user: User, agent: Agent) -> dict[str, Any]:
    """Return what the card *Authority* of an agent's file says."""
    now = authority_now()
    facts = now.agent(agent)
    operations = {it.code: it for it in registry.all_operations()}
    held = {it.code: it for it in granted(facts, now.snapshot.grants, operations)}
    leaves = leaves_of(facts, now.snapshot, held)
    limits = left_of_limits(facts, now.snapshot, held, now.now)
    hidden = {
        path
        for rule in now.snapshot.rules
        if rule.redact and rule.mode == Mode.ENFORCED and reach_of_rule(rule, facts, held).codes
        for path in rule.redact
    }
    names = _system_names(leaves)
    return {
        "leaves": [_leave_line(it, names, user) for it in leaves[:MOST_OPERATIONS]],
        "more_leaves": max(0, len(leaves) - MOST_OPERATIONS),
        "limits": [_limit_line(it, now, user) for it in limits[:MOST_LIMITS]],
        "more_limits": max(0, len(limits) - MOST_LIMITS),
        "reaches": _reaches(leaves, names),
        "hidden": sorted(spoken(path) or path for path in hidden),
        "approvers": approvers_of(leaves, settings.DEFAULT_APPROVER_GROUP),
    }


def does_tag(effect: str) -> Tag:
    """Return what an operation does to the world as a word with its icon."""
    return {
        "read": Tag(_("Reads"), "visibility"),
        "write": Tag(_("Writes"), "edit", "info"),
        "financial": Tag(_("Moves money"), "payments", "wait"),
        "destructive": Tag(_("Destroys data"), "delete_forever", "bad"),
    }.get(effect, Tag(humanize(effect), "bolt", "bad"))


def _how_tag(how: How) -> Tag:
    return {
        How.ALONE: Tag(_("Does it alone"), "check_circle", "good"),
        How.SOMETIMES: Tag(_("Asks in some cases"), "rule", "info"),
        How.ASKS: Tag(_("Always asks first"), "front_hand", "wait"),
        How.REFUSED: Tag(_("Refused"), "block", "bad"),
    }[how]


def _leave_line(leave: Leave, names: dict[str, str], user: User) -> LeaveLine:
    operation = leave.operation
    link = ""
    if user.has_perm("connectors.view_operation"):
        link = f"{reverse('admin:connectors_operation_changelist')}?q={operation.code}"
    return LeaveLine(
        name=operation.name,
        code=operation.code,
        link=link,
        system=names.get(operation.system_id, operation.system_code),
        does=does_tag(operation.effect),
        how=_how_tag(leave.how),
        why=leave.why,
    )


def _limit_line(left: Left, now: PresentAuthority, user: User) -> LimitLine:
    measure, currency = left.definition, now.snapshot.company_currency or company_currency()
    apart = spoken(measure.key) if measure.key.strip() else ""
    if left.used is None:
        used = _("counted apart for each %(key)s") % {"key": apart} if apart else _("each call by itself")
        rest = ""
    else:
        used = _("%(number)s used") % {"number": _number(measure.unit, left.used, currency)}
        rest = _("%(number)s left") % {"number": _number(measure.unit, left.left or 0, currency)}
    most = budget_words_of(left, currency) if is_budget(measure) else _most_words(left, currency)
    link = reverse("admin:agents_measure_change", args=[measure.measure_id])
    return LimitLine(
        name=measure.name,
        link=link if user.has_perm("agents.view_measure") else "",
        most=most,
        used=used,
        left=rest,
        percent=left.percent,
        beyond=wording.beyond_words(measure.on_exceed),
        is_shadow=measure.mode == Mode.SHADOW,
        is_near=left.percent is not None and left.percent >= 80,
    )


def _most_words(left: Left, currency: str) -> str:
    if wording.is_no_duplicate(left.definition):
        return _("never twice for the same")
    return counted_words(left.definition, currency)


def budget_words_of(left: Left, currency: str) -> str:
    """Return what a budget of model use says, as the contract does; its name stands beside it."""
    return budget_words(left.definition, currency)[0][len(left.definition.name) + 2 :].rstrip(".")


def _number(unit: str, value: int, currency: str) -> str:
    if unit in ("money", "cost"):
        return wording.number_words(unit, value, currency)
    return f"{value:,}"


def _system_names(leaves: tuple[Leave, ...]) -> dict[str, str]:
    wanted = {it.operation.system_id for it in leaves}
    return {it.id: it.label for it in registry.stop_targets("system") if it.id in wanted} if wanted else {}


def _reaches(leaves: tuple[Leave, ...], names: dict[str, str]) -> list[str]:
    """Return which kinds of data it comes near: the systems, what they are for, how real what is in them is."""
    written = {it.operation.system_id for it in leaves if not it.reads}
    found = {}
    for leave in leaves:
        it = leave.operation
        does = _("reads and writes") if it.system_id in written else _("only reads")
        name = names.get(it.system_id, it.system_code)
        found[it.system_id] = f"{name}: {CATEGORIES.get(it.category, it.category)}, {it.environment}, {does}"
    return sorted(found.values())
