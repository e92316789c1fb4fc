"""Try a rule on what is on record: ask on the page of the rule, read what would have been otherwise."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from agents.models import Rule, User
from agents.selectors import visible_rules
from audit.vocabulary import Refusal
from workflows.actions.choices import State as ActionState
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to as visible_actions
from workflows.backtests.models import Backtest
from workflows.backtests.selectors import visible_to
from workflows.backtests.services import ask_backtest
from workflows.pages.access import STATUS_OF_KIND, admin_page, for_people, page, part

PERIODS = {7: "The last 7 days", 30: "The last 30 days", 90: "The last 90 days", 365: "The last year"}
MOST_LISTED = 20
CHANGES = {
    ("allow", "hold"): "Went through, would wait for a person",
    ("allow", "deny"): "Went through, would be refused",
    ("hold", "allow"): "Waited for a person, would go through",
    ("hold", "hold"): "Waited for a person, would wait for others or for more of them",
    ("hold", "deny"): "Waited for a person, would be refused",
    ("deny", "hold"): "Was refused, would wait for a person",
    ("deny", "allow"): "Was refused, would go through",
    ("allow", "allow"): "Went through, with other duties",
    ("deny", "deny"): "Was refused, with other duties",
}
# What loosens is what a second person has to agree to: it is shown as such.
LOOSER = {("hold", "allow"), ("deny", "hold"), ("deny", "allow")}


class BacktestForm(forms.Form):
    """Over which time, and with which value instead of the one the rule has."""

    days = forms.TypedChoiceField(label="Period", choices=list(PERIODS.items()), coerce=int, initial=30)
    value = forms.CharField(label="Try it with this value", required=False, max_length=200)

    def __init__(self, rule: Rule, data: Any = None, value: str = "") -> None:
        super().__init__(data, initial={"value": value[:200] or rule.value})
        if not rule.field:
            del self.fields["value"]  # written by hand: it is tried as it stands
            return
        self.fields["value"].help_text = f"It stands at {rule.value}. Trying another one changes nothing."

    def edits(self, rule: Rule) -> dict[str, str]:
        """Return what is to be tried otherwise, as ``propose_rule_change`` takes it."""
        value = self.cleaned_data.get("value", "").strip()
        if not value or value == rule.value:
            return {}
        # The sentence is written anew: one of a person's own may name the value it stands at.
        return {"field": rule.field, "comparison": rule.comparison, "value": value, "sentence": ""}


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One kind of change: in words, how often, what came of those actions then, and some of them."""

    words: str
    is_looser: bool
    count: int
    came_to: str
    actions: list[Action]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def rule_backtest(request: HttpRequest, rule_id: UUID) -> HttpResponse:
    """Ask what a rule would have decided, and list what was asked before. Nothing is changed by it."""
    rule = _rule(request, rule_id)
    if request.method != "POST":
        return _ask(request, rule, BacktestForm(rule, value=request.GET.get("value", "")))
    form = BacktestForm(rule, request.POST)
    if not form.is_valid():
        return _ask(request, rule, form, 422, refused="Correct what is marked below.")
    now = timezone.now()
    try:
        backtest = ask_backtest(
            actor=_user(request).as_actor(),
            rule=rule,
            since=now - timedelta(days=form.cleaned_data["days"]),
            until=now,
            edits=form.edits(rule),
        )
    except Refusal as refusal:
        return _ask(request, rule, form, STATUS_OF_KIND.get(refusal.kind, 403), refused=refusal.in_full())
    return redirect("backtest", backtest.pk)


def _ask(request: HttpRequest, rule: Rule, form: BacktestForm, status: int = 200, **said: Any) -> HttpResponse:
    shown = {
        "rule": rule,
        "rule_page": admin_page(rule),
        "form": form,
        "may_ask": _user(request).has_perm("backtests.add_backtest"),
        "earlier": visible_to(_user(request)).filter(rule=rule)[:MOST_LISTED],
        **said,
    }
    return page(request, "portal/backtest_ask.html", "Try a rule on what is on record", status, **shown)


@never_cache
@require_safe
@for_people
def backtest(request: HttpRequest, backtest_id: UUID) -> HttpResponse:
    """Show how far a back-test has come, and what would have been otherwise."""
    return page(request, "portal/backtest.html", "Back-test", **_shown(request, backtest_id))


@never_cache
@require_safe
@for_people
def backtest_parts(request: HttpRequest, backtest_id: UUID) -> HttpResponse:
    """Return the same without the frame, for a page that waits for it."""
    return part(request, "portal/backtest_parts.html", **_shown(request, backtest_id))


def _shown(request: HttpRequest, backtest_id: UUID) -> dict[str, Any]:
    found = get_object_or_404(visible_to(_user(request)), pk=backtest_id)
    lines = [_line(request, change) for change in found.result.get("changes", ())]
    return {
        "backtest": found,
        "lines": sorted(lines, key=lambda line: -line.count),
        "changed": found.result.get("changed", 0),
        "unjudged": found.result.get("unjudged", 0),
        **_load(found),
    }


def _line(request: HttpRequest, change: dict[str, Any]) -> ChangeLine:
    key = change["before"], change["after"]
    named = [one["action"] for one in change["named"]]
    labels = dict(ActionState.choices)
    came_to = sorted(change["came_to"].items(), key=lambda item: -item[1])
    return ChangeLine(
        words=CHANGES[key],
        is_looser=key in LOOSER,
        count=change["count"],
        came_to=", ".join(f"{labels.get(state, state).lower()} {count}" for state, count in came_to),
        actions=list(visible_actions(_user(request)).filter(pk__in=named).order_by("-pk")[:MOST_LISTED]),
    )


def _load(backtest: Backtest) -> dict[str, Any]:
    """Return how many more decisions people would have had, by group: on most days, and on the worst."""
    by_group: dict[str, Counter[str]] = {}
    for hold in backtest.result.get("holds", ()):
        by_group.setdefault(hold["group"] or "Approvers", Counter())[hold["day"]] += hold["count"]
    days = max(1, (backtest.until - backtest.since).days)
    return {
        "load": [
            {
                "group": group,
                "total": by_day.total(),
                "a_day": f"{by_day.total() / days:.1f}",
                "worst": max(by_day.values()),
            }
            for group, by_day in sorted(by_group.items())
        ]
    }


def _rule(request: HttpRequest, rule_id: UUID) -> Rule:
    user = _user(request)
    if not (user.has_perm("backtests.add_backtest") or user.has_perm("backtests.view_backtest")):
        raise Http404
    return get_object_or_404(visible_rules(user).select_related("policy"), pk=rule_id)


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
