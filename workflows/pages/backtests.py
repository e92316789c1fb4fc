"""Try a rule or a limit on what is on record: ask on its page, read what would have been otherwise."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from agents.decision.limits_compared import limit_words
from agents.forms import KEYS_IN_WORDS, ceiling_in, ceiling_of
from agents.models import Measure, Rule, User
from agents.selectors import company_currency, measure_definition, visible_measures, visible_rules
from audit.vocabulary import Refusal
from workflows.actions.choices import State as ActionState
from workflows.actions.models import Action
from workflows.actions.selectors import visible_to as visible_actions
from workflows.backtests.models import Backtest
from workflows.backtests.selectors import visible_to
from workflows.backtests.services import ask_backtest, ask_limit_backtest
from workflows.pages.access import STATUS_OF_KIND, admin_page, for_people, page, part

PERIODS = {7: "The last 7 days", 30: "The last 30 days", 90: "The last 90 days", 365: "The last year"}
MOST_LISTED = 20
MOST_DAYS = 366
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
REVERSED = {"undone": "undone", "edited": "edited by a person", "rejected": "rejected"}
# What loosens is what a second person has to agree to: it is shown as such.
LOOSER = {("hold", "allow"), ("deny", "hold"), ("deny", "allow")}


class BacktestForm(forms.Form):
    """Over which time, and with which value instead of the one the rule has."""

    days = forms.TypedChoiceField(label="Period", choices=list(PERIODS.items()), coerce=int, initial=30)
    value = forms.CharField(label="Try it with this value", required=False, max_length=200)

    def __init__(self, rule: Rule, data: Any = None, value: str = "") -> None:
        self.rule = rule
        super().__init__(data, initial={"value": value[:200] or rule.value})
        if not rule.field:
            del self.fields["value"]  # written by hand: it is tried as it stands
            return
        self.fields["value"].help_text = f"It stands at {rule.value}. Trying another one changes nothing."

    def ask(self, **asked: Any) -> Backtest:
        """Begin it."""
        return ask_backtest(rule=self.rule, edits=self.edits(self.rule), **asked)

    def edits(self, rule: Rule) -> dict[str, str]:
        """Return what is to be tried otherwise, as ``propose_rule_change`` takes it."""
        value = self.cleaned_data.get("value", "").strip()
        if not value or value == rule.value:
            return {}
        # The sentence is written anew: one of a person's own may name the value it stands at.
        return {"field": rule.field, "comparison": rule.comparison, "value": value, "sentence": ""}


class LimitBacktestForm(forms.Form):
    """Over which time, and with which ceiling, window or key instead of its own."""

    days = forms.TypedChoiceField(label="Period", choices=list(PERIODS.items()), coerce=int, initial=30)
    ceiling = forms.CharField(label="Try it with this ceiling", required=False, max_length=30)
    window = forms.ChoiceField(label="Counted anew", required=False)
    window_seconds = forms.IntegerField(
        label="Length in seconds",
        required=False,
        min_value=1,
        max_value=366 * 86_400,
        help_text="Only for the last so many seconds.",
    )
    key = forms.CharField(
        label="Counted apart for",
        required=False,
        max_length=500,
        help_text="As on its page: agent, system, operation, or CEL. Empty: one counter for all.",
    )
    on_exceed = forms.ChoiceField(label="Above the ceiling", choices=Measure.OnExceed.choices, required=False)

    def __init__(self, limit: Measure, data: Any = None) -> None:
        self.limit, currency = limit, company_currency()
        bare = ceiling_of(limit, currency, bare=True) if limit.ceiling is not None else ""
        own = {name: getattr(limit, name) for name in ("window", "window_seconds", "key", "on_exceed")}
        super().__init__(data, initial={"ceiling": bare, **own})
        window: Any = self.fields["window"]
        window.choices = Measure.Window.choices
        stands = ceiling_of(limit, currency)
        self.fields["ceiling"].help_text = f"It stands at {stands}. Trying another one changes nothing."

    def clean_ceiling(self) -> int | None:
        """Read it in the unit that is counted."""
        try:
            return ceiling_in(self.cleaned_data["ceiling"], self.limit.unit)
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from None

    def ask(self, **asked: Any) -> Backtest:
        """Begin it."""
        return ask_limit_backtest(limit=self.limit, edits=self.edits(self.limit), **asked)

    def edits(self, limit: Measure) -> dict[str, Any]:
        """Return what is to be tried otherwise, as ``propose_measure_change`` takes it."""
        given = dict(self.cleaned_data)
        wanted = {"ceiling": given["ceiling"], "key": KEYS_IN_WORDS.get(given["key"].strip(), given["key"])}
        wanted["window"] = given["window"] or limit.window
        wanted["window_seconds"] = given["window_seconds"] if wanted["window"] == "rolling" else None
        wanted["on_exceed"] = given["on_exceed"] or limit.on_exceed
        return {name: value for name, value in wanted.items() if value != getattr(limit, name)}


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One kind of change: in words, how often, what came of those actions then, and some of them."""

    words: str
    is_looser: bool
    count: int
    came_to: str
    later: str
    actions: list[Action]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def rule_backtest(request: HttpRequest, rule_id: UUID) -> HttpResponse:
    """Ask what a rule would have decided, and list what was asked before. Nothing is changed by it."""
    rule = get_object_or_404(visible_rules(_reader(request)).select_related("policy"), pk=rule_id)
    typed = {"data": request.POST} if request.method == "POST" else {"value": request.GET.get("value", "")}
    return _asked(request, rule, BacktestForm(rule, **typed))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def limit_backtest(request: HttpRequest, limit_id: UUID) -> HttpResponse:
    """Ask what a limit would have refused or held, and list what was asked before."""
    limit = get_object_or_404(visible_measures(_reader(request)), pk=limit_id)
    return _asked(request, limit, LimitBacktestForm(limit, request.POST if request.method == "POST" else None))


def _asked(
    request: HttpRequest, subject: Rule | Measure, form: BacktestForm | LimitBacktestForm
) -> HttpResponse:
    if request.method != "POST":
        return _ask(request, subject, form)
    if not form.is_valid():
        return _ask(request, subject, form, 422, refused="Correct what is marked below.")
    now = timezone.now()
    asked: dict[str, Any] = {
        "actor": _user(request).as_actor(),
        "since": now - timedelta(days=form.cleaned_data["days"]),
        "until": now,
    }
    try:
        backtest = form.ask(**asked)
    except Refusal as refusal:
        return _ask(request, subject, form, STATUS_OF_KIND.get(refusal.kind, 403), refused=refusal.in_full())
    except ValidationError as error:
        return _ask(request, subject, form, 422, refused=" ".join(error.messages))
    return redirect("backtest", backtest.pk)


def _ask(
    request: HttpRequest,
    subject: Rule | Measure,
    form: BacktestForm | LimitBacktestForm,
    status: int = 200,
    **said: Any,
) -> HttpResponse:
    is_rule = isinstance(subject, Rule)
    own = {"rule": subject} if is_rule else {"limit": subject}
    shown = {
        "subject": subject,
        "is_rule": is_rule,
        "words": subject.sentence if isinstance(subject, Rule) else _in_words(subject),
        "where": subject.policy.name if isinstance(subject, Rule) else "A limit",
        "own_page": admin_page(subject),
        "form": form,
        "may_ask": _user(request).has_perm("backtests.add_backtest"),
        "earlier": visible_to(_user(request)).filter(**own)[:MOST_LISTED],
        **said,
    }
    return page(request, "portal/backtest_ask.html", "Try it on what is on record", status, **shown)


def _in_words(limit: Measure) -> str:
    return (
        limit_words(measure_definition(limit), company_currency()) if limit.ceiling is not None else limit.name
    )


def _reader(request: HttpRequest) -> User:
    user = _user(request)
    if not (user.has_perm("backtests.add_backtest") or user.has_perm("backtests.view_backtest")):
        raise Http404
    return user


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
        later=", ".join(
            f"{REVERSED[how]} {count}" for how, count in sorted(change.get("reversed", {}).items())
        ),
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
                "days": sorted(by_day.items(), reverse=True)[:MOST_DAYS],
            }
            for group, by_day in sorted(by_group.items())
        ]
    }


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
