"""The page of the console, and the parts of it that are read again while it is open."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import User
from audit.selectors import newest_position
from workflows.pages.access import for_people, page, part
from workflows.pages.console import side, staff
from workflows.pages.feed import feed_of, filter_of
from workflows.pages.waiting import others_waiting

# What the address of the console may carry; the filters of its feed are those of every feed.
NAMED = ("state", "department", "role", "q", "after", "agent", "run", "show", "kind", "severity")


@never_cache
@require_safe
@for_people
def console(request: HttpRequest) -> HttpResponse:
    """Show who works on what now, what happens, and what needs a person."""
    found = {**_agents(request), **_top(request), **_side(request), "feed": feed_of(request), **staff.choices()}
    return page(request, "portal/console.html", _("Console"), **found)


@never_cache
@require_safe
@for_people
def console_agents(request: HttpRequest) -> HttpResponse:
    """Return the list of agents alone, for the page that follows it live."""
    return part(request, "portal/console_agents.html", **_agents(request))


@never_cache
@require_safe
@for_people
def console_side(request: HttpRequest) -> HttpResponse:
    """Return what needs a person and what is looked at alone, for the page that follows it live."""
    return part(request, "portal/console_side.html", **_side(request))


@never_cache
@require_safe
@for_people
def console_top(request: HttpRequest) -> HttpResponse:
    """Return the pace of the ledger and the stops that are on, for the page that follows it live."""
    return part(request, "portal/console_top.html", **_top(request))


@never_cache
@require_safe
@for_people
def agents(request: HttpRequest) -> HttpResponse:
    """Send who has the address of the former list of agents to the console."""
    return redirect("console", permanent=True)


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]


def _agents(request: HttpRequest) -> dict[str, Any]:
    user, asked = _user(request), staff.asked_of(request.GET)
    position = newest_position()
    found = staff.staff_of(user, asked)
    return {
        "position": position,
        "asked": asked,
        "staff": found,
        "counts": [(one, many, _way(request, state=one.key, after="")) for one, many in found.counts],
        "all_way": _way(request, state="", after=""),
        "onward": _way(request, after=found.onward) if found.onward else "",
        "first_way": _way(request, after="") if asked.after else "",
        "agent_way": _up_to("agent", _way(request, agent="", run="")),
        "run_way": _up_to("run", _way(request, run="")),
        "agents_query": _way(request),
        "may_register": user.has_perm("agents.add_agent"),
    }


def _top(request: HttpRequest) -> dict[str, Any]:
    user = _user(request)
    stops = side.active_stops(user)
    return {
        "pulse": side.pulse(),
        "stops": stops,
        "may_stop": user.has_perm("agents.raise_stop") and not any(side.is_whole(one["stop"]) for one in stops),
    }


def _side(request: HttpRequest) -> dict[str, Any]:
    user, wanted = _user(request), filter_of(request)
    chosen = staff.one_agent(user, wanted.agent) if staff.asked_of({"role": wanted.agent}).role else None
    return {
        "chosen": chosen,
        "said": side.instructions_to(chosen.agent) if chosen else (),
        "looked_at": side.run_of(user, wanted.run),
        "needs": side.needs_of(user),
        "others": others_waiting(user),
        "incidents_way": side.incidents_way(),
        "without_choice": _way(request, agent="", run=""),
        "run_way": _up_to("run", _way(request, run="")),
        "side_query": _way(request),
        "console_way": reverse("console"),
    }


def _way(request: HttpRequest, **other: str) -> str:
    """Return the query of this page with something else in it, from its ``?`` on; '' when nothing is left."""
    own = {name: request.GET.get(name, "") for name in NAMED}
    said = {name: value for name, value in {**own, **other}.items() if value}
    return f"?{urlencode(said)}" if said else ""


def _up_to(name: str, way: str) -> str:
    """Return the query up to the value of a name, which the page puts behind it."""
    return f"{way}&{name}=" if way else f"?{name}="
