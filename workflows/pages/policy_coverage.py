"""Which rules, limits and throttles bind which operation of which system, and which operations none binds."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import User
from agents.selectors import (
    Coverage,
    company_currency,
    coverage_of,
    in_order,
    visible_measures,
    visible_policies,
    visible_rules,
    visible_throttles,
)
from connectors.selectors import visible_systems
from connectors.selectors import visible_to as visible_operations
from workflows.pages.access import admin_page, for_people, page
from workflows.pages.policy import limit_in_words
from workflows.pages.policy_list import EFFECTS
from workflows.pages.sheets import as_sheet
from workflows.pages.words import Tag

ON_A_PAGE = 100
MOST_READ = 2000
READS, WRITES = Tag("Only reads", "visibility"), Tag("Changes records", "edit")
DOES = {
    "read": READS,
    "write": WRITES,
    "financial": Tag("Moves money", "payments", "wait"),
    "destructive": Tag("Destroys data", "delete_forever", "bad"),
}


@never_cache
@require_safe
@for_people
def coverage(request: HttpRequest) -> HttpResponse:
    """Show each operation with what binds it, or only those that nothing binds."""
    user: User = request.user  # type: ignore[assignment]
    if not user.has_perm("connectors.view_operation") or not visible_policies(user).exists():
        raise Http404
    system = request.GET.get("system", "")[:60].replace("\x00", "")
    only_open = request.GET.get("show") == "open"
    operations = visible_operations(user).filter(is_enabled=True).order_by("code")
    if system:
        operations = operations.filter(system__code=system)
    if request.GET.get("as") == "csv":
        return _sheet(_covered(user, operations[:MOST_READ], only_open=only_open))
    if after := request.GET.get("after", "")[:120].replace("\x00", ""):
        operations = operations.filter(code__gt=after)
    lines = _covered(
        user, operations[: ON_A_PAGE + 1] if not only_open else operations[:MOST_READ], only_open=only_open
    )
    currency = company_currency()
    shown: dict[str, Any] = {
        "lines": [_shown(line, currency) for line in lines[:ON_A_PAGE]],
        "onward": lines[ON_A_PAGE - 1].operation.code if len(lines) > ON_A_PAGE else "",
        "systems": list(visible_systems(user).order_by("name").values_list("code", "name")[:ON_A_PAGE]),
        "system": system,
        "only_open": only_open,
    }
    return page(request, "portal/coverage.html", _("What binds which operation"), **shown)


def _covered(user: User, operations: Any, *, only_open: bool) -> list[Coverage]:
    rules = list(in_order(visible_rules(user).select_related("policy"))[:MOST_READ])
    limits = list(visible_measures(user).order_by("name")[:MOST_READ])
    throttles = list(visible_throttles(user).filter(is_enabled=True)[:MOST_READ])
    found = coverage_of(operations, rules, limits, throttles)
    return [one for one in found if not (only_open and one.is_bound)]


def _shown(line: Coverage, currency: str) -> dict[str, Any]:
    return {
        "operation": line.operation,
        "does": DOES.get(line.operation.effect, WRITES),
        "page": admin_page(line.operation),
        "rules": [{"rule": rule, "effect": EFFECTS[rule.verdict]} for rule in line.rules],  # type: ignore[index]
        "limits": [limit_in_words(one, currency) for one in line.limits],
        "throttles": line.throttles,
        "tried": line.tried,
        "is_bound": line.is_bound,
    }


def _sheet(lines: list[Coverage]) -> HttpResponse:
    rows = (
        (
            line.operation.code,
            line.operation.name,
            line.operation.system.name,
            line.operation.effect,
            "yes" if line.is_bound else "no",
            "; ".join(f"{rule.verdict}: {rule.policy.name}: {rule.name}" for rule in line.rules),
            "; ".join(one.name for one in line.limits),
            "; ".join(one.name for one in line.throttles),
            line.tried,
        )
        for line in lines
    )
    columns = ("operation", "name", "system", "effect", "bound", "rules", "limits", "throttles", "only_tried")
    return as_sheet("coverage", columns, rows)
