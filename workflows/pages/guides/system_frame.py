"""Where somebody stands in the guide that connects a system, and what its steps share."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from connectors.models import Account, Operation, System
from workflows.pages.guides.frame import CONNECT, shown
from workflows.pages.guides.parts import EFFECT_TAGS

MOST = 50


def address(system: System, step: str, **more: str) -> str:
    """Return where a step of a system is."""
    query = "".join(f"&{name}={value}" for name, value in more.items())
    return f"{reverse('guide-system', args=[system.pk])}?step={step}{query}"


def finished(system: System) -> list[str]:
    """Return the steps that are over, by what there is."""
    found = ["kind", "place"]
    if own_account(system) is not None:
        found.append("account")
    if answers(system):
        found.append("test")
    if published_at(system).exists():
        found.append("operations")
    return found


def answers(system: System) -> bool:
    """Tell whether a system answered at its last call."""
    health = getattr(system, "health", None)
    if health is None or health.last_ok_at is None:
        return False
    return health.last_failure_at is None or health.last_ok_at >= health.last_failure_at


def stands_at(system: System) -> str:
    """Return the first step that is not over."""
    over = finished(system)
    return next((step.key for step in CONNECT.steps if step.key not in over), "done")


def of_system(request: HttpRequest, system: System, key: str, template: str, /, **context: Any) -> HttpResponse:
    """Show a step of a system, with the way to its others."""
    over = finished(system)
    links = {step.key: address(system, step.key) for step in CONNECT.steps if step.key not in ("kind",)}
    if "operations" not in over:
        links.pop("done")
    return shown(request, CONNECT, key, template, done=over, links=links, system=system, **context)


def own_account(system: System) -> Account | None:
    """Return the account that is used for everybody who has none of their own."""
    return system.accounts.filter(role=None, agent=None).select_related("system").first()


def published_at(system: System) -> Any:
    """Return what may be asked of a system, by code."""
    return Operation.objects.filter(system=system, current_revision__isnull=False).order_by("code")


def ready_to_grant(system: System) -> dict[str, Any]:
    """Return what a page says of the published operations: the first of them, and whether there are more."""
    found = list(published_at(system)[: MOST + 1])
    rows = [{"operation": it, "tag": EFFECT_TAGS[it.effect]} for it in found[:MOST]]
    return {"published": rows, "more": len(found) > MOST}
