"""Put a rule in force, in shadow, or back to a draft: what that changes for whom, and would have changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from agents.decision.direction import Direction
from agents.models import Rule, User
from agents.policies import may_publish_rule
from agents.selectors import difference_of_rules, visible_rules
from agents.services import policies
from audit.services import refusals_recorded
from audit.vocabulary import Refusal
from workflows.backtests.selectors import visible_to as visible_backtests
from workflows.backtests.services import ask_backtest
from workflows.pages.access import STATUS_OF_KIND, admin_page, for_people, page, part
from workflows.pages.policy import asks_in_words
from workflows.pages.policy_list import EFFECTS, MODES

DAYS = (7, 30, 90, 365)
MODE_WORDS = {
    Rule.Mode.ENFORCED: lazy("Put it in force"),
    Rule.Mode.SHADOW: lazy("Only record what it would decide"),
    Rule.Mode.DRAFT: lazy("Make it a draft"),
}


@require_POST
@for_people
def rule_try(request: HttpRequest, rule_id: UUID) -> HttpResponse:
    """Count what a rule as it stands would have decided in the last so many days."""
    user = _user(request)
    if not user.has_perm("backtests.add_backtest"):
        raise Http404
    rule = _rule(user, rule_id)
    now = timezone.now()
    given = request.POST.get("days", "")
    days = int(given) if given.isdecimal() and given in map(str, DAYS) else 30
    try:
        ask_backtest(actor=user.as_actor(), rule=rule, since=now - timedelta(days=days), until=now)
    except Refusal as refusal:
        messages.error(request, refusal.in_full())
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    if request.POST.get("from") == "mode":
        return redirect(f"{reverse('rule-mode', args=[rule.pk])}?to={_wanted(request)}")
    return redirect(f"{reverse('policy', args=[rule.policy_id])}#rule-{rule.pk}")


@never_cache
@require_safe
@for_people
def rule_trial(request: HttpRequest, rule_id: UUID) -> HttpResponse:
    """Return how far the newest back-test of a rule has come, for a page that waits for it."""
    user = _user(request)
    rule = _rule(user, rule_id)
    return part(request, "portal/policy_trial.html", trial=newest_trial(user, rule), rule=rule)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def rule_mode(request: HttpRequest, rule_id: UUID) -> HttpResponse:
    """Say what it would change for whom if a rule were in another mode; with a reason, do or propose it."""
    user = _user(request)
    rule = _rule(user, rule_id)
    if may_publish_rule(user.as_actor(), rule.policy) is not None:
        raise PermissionDenied
    to = _wanted(request)
    if not to or to == rule.mode:
        return redirect("policy", rule.policy_id)
    if request.method != "POST":
        return _page(request, rule, to)
    actor, reason = user.as_actor(), request.POST.get("reason", "")
    try:
        with refusals_recorded(actor=actor, subject=rule.as_ref()):
            outcome = policies.propose_rule_change(actor=actor, rule=rule, changes={"mode": to}, reason=reason)
    except Refusal as refusal:
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return _page(request, rule, to, status, refused=refusal.in_full(), reason=reason)
    except ValidationError as error:
        return _page(request, rule, to, 422, refused=" ".join(error.messages), reason=reason)
    if outcome.change_request is not None:
        messages.warning(request, _("It lets more pass, so it waits for a second person."))
    else:
        messages.success(
            request, _("The rule %(name)s: %(mode)s.") % {"name": rule.name, "mode": MODES[to].text}
        )
    return redirect(f"{reverse('policy', args=[rule.policy_id])}#rule-{rule.pk}")


def newest_trial(user: User, rule: Rule) -> Any:
    """Return the newest back-test of a rule that somebody may see."""
    return visible_backtests(user).filter(rule=rule).order_by("-pk").first()


def _page(request: HttpRequest, rule: Rule, to: Rule.Mode, status: int = 200, **said: Any) -> HttpResponse:
    user = _user(request)
    direction, effects, problem = _foreseen(user, rule, to)
    shown: dict[str, Any] = {
        "rule": rule,
        "to": to,
        "verb": MODE_WORDS[to],
        "effect": EFFECTS[Rule.Verdict(rule.verdict)],
        "mode": MODES[Rule.Mode(rule.mode)],
        "then": MODES[to],
        "asks": asks_in_words(rule),
        "waits": direction is Direction.LOOSENS,
        "effects": effects,
        "problem": problem,
        "trial": newest_trial(user, rule),
        "may_try": user.has_perm("backtests.add_backtest"),
        "days": DAYS,
        "own_page": admin_page(rule),
        **said,
    }
    return page(request, "portal/rule_mode.html", str(MODE_WORDS[to]), status, **shown)


def _foreseen(user: User, rule: Rule, to: Rule.Mode) -> tuple[Direction | None, Any, str]:
    """Return which way it goes and what it would do, or why it cannot be done. Writes nothing."""
    try:
        with transaction.atomic():
            direction, _summary = policies.preview_rule_change(rule, {"mode": to})
            wanted = policies.rule_as_edited(rule, {"mode": to})
            transaction.set_rollback(True)
    except Refusal as refusal:
        return None, (), refusal.in_full()
    except ValidationError as error:
        return None, (), " ".join(error.messages)
    # Agents are named in it.
    return direction, difference_of_rules(wanted) if user.has_perm("agents.view_agent") else (), ""


def _wanted(request: HttpRequest) -> Any:
    to = request.POST.get("to") or request.GET.get("to", "")
    return Rule.Mode(to) if to in Rule.Mode.values else ""


def _rule(user: User, rule_id: UUID) -> Rule:
    return get_object_or_404(visible_rules(user).select_related("policy", "approver_group"), pk=rule_id)


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
