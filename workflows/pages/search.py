"""One search for everything: what there is by name or number, and where one can go and what one can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import User
from agents.policies import may_publish_rule
from workflows.pages.access import admin_page, for_people, page, part
from workflows.pages.shelves import FOR_PEOPLE
from workflows.pages.waiting import page_of
from workflows.runs.selectors import startable_by
from workflows.search.lookups import FEWEST_CHARACTERS, MOST_CHARACTERS, typed_words
from workflows.search.selectors import MOST_OF_A_KIND, found_for


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found. Title and detail are text that others wrote, never markup."""

    icon: str
    title: str
    detail: str
    link: str


@dataclass(frozen=True, slots=True)
class HitGroup:
    """What was found of one kind."""

    key: str
    title: str
    hits: list[Hit]
    more: bool = False


TITLES = {
    "agent": lazy("Agents"),
    "run": lazy("Runs"),
    "approval": lazy("Requests"),
    "task": lazy("Work"),
    "system": lazy("Systems"),
    "workflow": lazy("Workflows"),
    "policy": lazy("Policies"),
    "rule": lazy("Rules"),
    "operation": lazy("Operations"),
    "person": lazy("People"),
    "document": lazy("Documents"),
    "action": lazy("Actions"),
    "certificate": lazy("Certificates"),
}
ICONS = {
    "agent": "smart_toy",
    "run": "route",
    "approval": "front_hand",
    "task": "assignment",
    "system": "dns",
    "workflow": "schema",
    "policy": "policy",
    "rule": "rule",
    "operation": "function",
    "person": "person",
    "document": "description",
    "action": "task_alt",
    "certificate": "workspace_premium",
}
Words = Callable[[Any], str]
DETAILS: dict[str, Words] = {
    "agent": lambda it: f"{it.code}, {it.get_lifecycle_display().lower()}",
    "run": lambda it: f"{it.workflow.name}, {it.get_state_display().lower()}",
    "approval": lambda it: f"{it.requester_label}, {it.get_state_display().lower()}",
    "task": lambda it: f"{it.get_kind_display()}, {it.get_state_display().lower()}",
    "system": lambda it: f"{it.code}, {it.get_environment_display().lower()}",
    "workflow": lambda it: it.code if it.is_enabled else _("%(code)s, switched off") % {"code": it.code},
    "policy": lambda it: it.get_scope_kind_display(),
    "rule": lambda it: f"{it.policy.name}: {it.sentence}",
    "operation": lambda it: f"{it.code}, {it.system.name}",
    "person": lambda it: it.username if it.is_active else _("%(name)s, closed") % {"name": it.username},
    "document": lambda it: it.media_type,
    "action": lambda it: f"{it.agent.name}, {it.get_state_display().lower()}",
    "certificate": lambda it: str(it),
}
LINKS: dict[str, Words] = {
    "run": lambda it: reverse("run", args=[it.pk]),
    "approval": lambda it: reverse("inbox-approval", args=[it.pk]),
    "policy": lambda it: reverse("policy", args=[it.pk]),
    "rule": lambda it: f"{reverse('policy', args=[it.policy_id])}#rule-{it.pk}",
    "action": lambda it: reverse("action", args=[it.pk]),
    "document": lambda it: reverse("document", args=[it.pk]),
    "certificate": lambda it: reverse("certificate-page", args=[it.pk]),
}


@never_cache
@require_safe
@for_people
def search(request: HttpRequest) -> HttpResponse:
    """Search as a page of its own, for whoever has no script or wants to keep the address."""
    typed = _typed(request)
    groups = groups_for(request, typed)
    shown: dict[str, Any] = {"typed": typed, "groups": groups, "too_short": _is_too_short(typed)}
    return page(request, "portal/search.html", _("Search"), **shown)


@never_cache
@require_safe
@for_people
def search_parts(request: HttpRequest) -> HttpResponse:
    """Return what was found as the options of a list, for the search that opens over a page."""
    typed = _typed(request)
    numbered, number = [], 0
    for group in groups_for(request, typed):
        hits = [(number + place, hit) for place, hit in enumerate(group.hits)]
        numbered.append((group, hits))
        number += len(hits)
    return part(request, "portal/search_parts.html", groups=numbered, typed=typed, count=number)


def groups_for(request: HttpRequest, typed: str) -> list[HitGroup]:
    """Return what fits: places and deeds first, then things by kind; with nothing typed, the deeds alone."""
    user: User = request.user  # type: ignore[assignment]
    words = typed_words(typed)
    found = [_fitting("deeds", _("Do"), _deeds(request, user), words)]
    if not words:
        return [group for group in found if group.hits]
    found.append(_fitting("pages", _("Go to"), _pages(request), words))
    found += [
        HitGroup(one.kind, str(TITLES[one.kind]), [_hit(user, one.kind, row) for row in one.rows], one.more)
        for one in found_for(user, typed)
    ]
    return [group for group in found if group.hits]


def _fitting(key: str, title: str, hits: Iterable[Hit], words: list[str]) -> HitGroup:
    fitting = [hit for hit in hits if _fits(f"{hit.title} {hit.detail}", words)]
    return HitGroup(key, title, fitting[:MOST_OF_A_KIND], len(fitting) > MOST_OF_A_KIND)


def _fits(text: str, words: list[str]) -> bool:
    there = typed_words(text)
    return all(any(word.startswith(asked) for word in there) for asked in words)


def _hit(user: User, kind: str, row: Any) -> Hit:
    return Hit(ICONS[kind], _title(kind, row), DETAILS[kind](row)[:200], _link(user, kind, row))


def _title(kind: str, row: Any) -> str:
    return row.name if kind == "rule" else str(row)


def _link(user: User, kind: str, row: Any) -> str:
    if kind in LINKS:
        return LINKS[kind](row)
    if kind == "agent" and not user.has_perm("agents.view_agent"):
        return reverse("agent-life", args=[row.pk])
    if kind == "task":
        return page_of(row) if row.kind in FOR_PEOPLE else _of_agent_work(row)
    return admin_page(row)


def _of_agent_work(task: Any) -> str:
    run = str(task.references.get("run_id", ""))
    return reverse("run", args=[run]) if run else admin_page(task)


def _pages(request: HttpRequest) -> Iterable[Hit]:
    """Return the places of the menu and of the person's own menu; both show only what they may open."""
    frame = admin.site.each_context(request)
    for group in frame["sidebar_navigation"]:
        for item in group["items"]:
            yield Hit(
                item.get("icon") or "tag", str(item["title"]), str(group.get("title") or ""), item["link"]
            )
    for item in frame.get("account_links") or ():
        yield Hit("account_circle", str(item["title"]), _("Your account"), item["link"])


def _deeds(request: HttpRequest, user: User) -> Iterable[Hit]:
    """Return what this person may begin from anywhere; each of it asks and says its effect on its own page."""
    if user.has_perm("agents.add_stop") or user.has_perm("agents.raise_stop"):
        stop = f"{reverse('admin:agents_stop_add')}?scope=everything:"
        yield Hit("front_hand", _("Stop everything"), _("Says first whom it hits"), stop)
        yield Hit("pause_circle", _("Pause an agent"), _("Console"), reverse("console"))
    if startable_by(user).exists():
        yield Hit("play_circle", _("Start a workflow"), _("Begin a run"), reverse("startable"))
    if user.has_perm("agents.add_agent"):
        yield Hit("badge", _("Register an agent"), _("It begins as a draft"), reverse("admin:agents_agent_add"))
    if may_publish_rule(user.as_actor()) is None:
        yield Hit(
            "policy", _("Add a policy"), _("Rules and whom they bind"), reverse("admin:agents_policy_add")
        )
        yield Hit("lock_open", _("See what nothing binds"), _("Operations"), _open_operations())
    yield Hit("cell_tower", _("See which signals are waited for"), _("Runs"), reverse("signals"))
    yield Hit("event_busy", _("Say that I am away"), _("Who decides for me"), reverse("away"))
    yield Hit("notifications", _("See my news"), _("What concerns me"), reverse("bell"))


def _open_operations() -> str:
    return f"{reverse('policy-coverage')}?show=open"


def _typed(request: HttpRequest) -> str:
    return request.GET.get("q", "")[:MOST_CHARACTERS].replace("\x00", "").strip()


def _is_too_short(typed: str) -> bool:
    words = typed_words(typed)
    return bool(typed) and not any(len(word) >= FEWEST_CHARACTERS for word in words)
