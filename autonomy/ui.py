"""What the admin theme asks the portal for: brand, menu, counts. Each follows the reader's own rights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from audit.pages import may_build_evidence
from audit.wording import name_lazy
from autonomy.remembered import Remembered
from workflows.pages.access import is_person
from workflows.pages.appeals import may_see_contested
from workflows.pages.bell import bell_of
from workflows.pages.guides.frame import may_any
from workflows.pages.live import counts_for

Entry = dict[str, Any]

WORKFLOWS = (
    ("Workflows", "schema", "runs.Workflow"),
    ("Watched folders", "drive_folder_upload", "triggers.WatchedFolder"),
    ("Schedules", "schedule", "triggers.Schedule"),
    ("Webhooks", "webhook", "triggers.Webhook"),
    ("Event triggers", "bolt", "triggers.EventTrigger"),
)
WORKFORCE = (
    ("Agents", "badge", "agents.Agent"),
    ("Departments", "account_tree", "agents.Department"),
    ("Roles", "assignment_ind", "agents.Role"),
    ("Terms of employment", "handshake", "agents.LifecycleTerms"),
)
RULES = (
    ("Rules", "rule", "agents.Rule"),
    ("Limits", "speed", "agents.Measure"),
    ("Throttles", "hourglass_top", "agents.Throttle"),
    ("Stops", "front_hand", "agents.Stop"),
    ("Change requests", "published_with_changes", "agents.ChangeRequest"),
)
CONNECTIONS = (
    ("Systems", "dns", "connectors.System"),
    ("Accounts", "key", "connectors.Account"),
    ("Operations", "function", "connectors.Operation"),
    ("Channels", "forum", "notices.Channel"),
)
RECORDS = (
    ("Actions", "task_alt", "actions.Action"),
    ("Certificates", "workspace_premium", "agents.Certificate"),
    ("Documents", "description", "documents.Document"),
    ("Calls", "swap_horiz", "connectors.Call"),
    ("Mails", "mail", "notices.Mail"),
    ("Messages", "send", "notices.Post"),
    ("Ledger", "menu_book", "audit.Event"),
    ("Retention", "auto_delete", "audit.RetentionRule"),
    ("Legal holds", "gavel", "audit.LegalHold"),
)
COMPANY = (
    ("People", "group", "agents.User"),
    ("Calendars", "schedule", "agents.Calendar"),
    ("Exchange rates", "currency_exchange", "agents.ExchangeRate"),
    ("Company", "domain", "agents.CompanySettings"),
)


# Lists whose objects have pages of their own elsewhere: where those are, the list is where somebody is, too.
FILES = {
    "agents.Agent": ("agent-file", "agent_id"),
    "agents.Role": ("role-file", "role_id"),
    "connectors.System": ("system-file", "system_id"),
}
ANYTHING = UUID(int=0)
# A menu of so many entries is shown whole; of a longer one these groups are open until somebody shuts them.
SHORT_MENU = 18
OPEN_AT_FIRST = ("work", "workforce")

# Whether somebody may see any one object of a list takes a question for each of thirty lists. The menu may be
# this late; the list itself asks afresh.
LISTS: Remembered[bool] = Remembered(seconds=30, most=20_000)


def site_icon(request: HttpRequest | None = None) -> str:
    """Return the address of the mark shown in the menu and in the browser's tab."""
    return static("portal/mark.svg")


def environment(request: HttpRequest) -> list[str] | None:
    """Say on every page that the company shown is not a real one."""
    return ["Demo company", "info"] if settings.DEMO_COMPANY else None


def everywhere(request: HttpRequest) -> dict[str, Any]:
    """Return what every page has in its header; counted only where it is shown."""
    return {"bell": SimpleLazyObject(lambda: bell_of(request))}


def account(request: HttpRequest) -> list[Entry]:
    """Return the links of a person's own menu; nobody else has one."""
    if not is_person(request.user):
        return []
    password = [{"title": "Change password", "link": reverse("admin:password_change")}]
    away = {"title": "Away: who decides for me", "link": reverse("away")}
    notices = {"title": "Notifications", "link": reverse("notifications")}
    load = {"title": "How approvals go", "link": reverse("approvals-load")}
    own = {"title": "Your settings", "link": reverse("settings")}
    entries = [away, load, notices, own, *(password if request.user.has_usable_password() else [])]
    return [{**entry, "title": name_lazy(entry["title"])} for entry in entries]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the menu: only what this person may open, with the counts of what waits for them."""
    if not is_person(request.user):
        return []
    groups = _groups(request)
    is_short = sum(len(group["items"]) for group in groups) <= SHORT_MENU
    return [{**group, "is_open": is_short or group["key"] in OPEN_AT_FIRST} for group in groups]


def _groups(request: HttpRequest) -> list[Entry]:
    return [
        {"title": name_lazy("Work"), "items": _work(request), "key": "work"},
        _group("Workflows", request, WORKFLOWS, key="workflows"),
        _group("Workforce", request, WORKFORCE, key="workforce"),
        _rules(request),
        _group("Connections", request, CONNECTIONS, key="connections"),
        _records(request),
        _group("Company", request, COMPANY, key="company"),
    ]


def _work(request: HttpRequest) -> list[Entry]:
    counts = counts_for(request.user)  # type: ignore[arg-type]
    return [
        _page("Home", "home", "home", active=request.path == reverse("home")),
        *(first := _console(request, first=True)),
        _below(request, "Inbox", "inbox", "inbox", count_of="inbox", count=counts["inbox"]),
        _below(request, "Runs", "route", "runs"),
        *([] if first else _console(request)),
        _below(request, "Activity", "timeline", "activity"),
        *_guides(request),
    ]


def _console(request: HttpRequest, *, first: bool = False) -> list[Entry]:
    """Return the entry of the console: for who may stop work before all else, for others after the runs."""
    if first and not request.user.has_perm("agents.raise_stop"):
        return []
    return [_below(request, "Console", "monitor_heart", "console")]


def _contested(request: HttpRequest) -> list[Entry]:
    return [_below(request, "Contested rules", "balance", "contested")] if may_see_contested(request) else []


def _rules(request: HttpRequest) -> Entry:
    """Return what binds agents; of policies the page where they are read, not the table of them."""
    group = _group("Rules and limits", request, RULES, key="rules")
    policies = request.user.has_perm("agents.view_policy")
    first = [_below(request, "Policies", "policy", "policies")] if policies else []
    return {**group, "items": [*first, *group["items"], *_contested(request)]}


def _guides(request: HttpRequest) -> list[Entry]:
    return [_below(request, "Set up", "rocket_launch", "guides")] if may_any(request.user) else []


def _page(title: str, icon: str, name: str, **more: Any) -> Entry:
    return {"title": name_lazy(title), "icon": icon, "link": reverse(name), **more}


def _below(request: HttpRequest, title: str, icon: str, name: str, **more: Any) -> Entry:
    """Return the entry of a page and of everything below its address; the admin has addresses like it."""
    return _page(title, icon, name, active=request.path.startswith(reverse(name)), **more)


def _group(title: str, request: HttpRequest, entries: Iterable[tuple[str, str, str]], *, key: str) -> Entry:
    items = [_lists(request, *entry) for entry in entries]
    return {"key": key, "title": name_lazy(title), "items": [item for item in items if item]}


def _records(request: HttpRequest) -> Entry:
    """Return the records, with how the ledger is sealed and evidence packs for who may see them."""
    group = _group("Records", request, RECORDS, key="records")
    pages = []
    if request.user.has_perm("audit.view_event"):
        pages.append(_below(request, "Seals", "verified", "admin:audit_seals"))
    if may_build_evidence(request.user):
        pages.append(_below(request, "Evidence packs", "inventory_2", "admin:audit_event_evidence"))
    if any(page["active"] for page in pages):
        for item in group["items"]:
            item["active"] = False  # their addresses lie below that of the ledger
    return {**group, "items": [*group["items"], *pages]}


def _may_open(request: HttpRequest, label: str) -> bool:
    model_admin = admin.site._registry.get(apps.get_model(label))
    return model_admin is not None and model_admin.has_view_permission(request)


def _lists(request: HttpRequest, title: str, icon: str, label: str) -> Entry | None:
    if not LISTS.remembered((request.user.pk, label), lambda: _may_open(request, label)):
        return None
    opts = apps.get_model(label)._meta
    link = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    here = request.path.startswith((link, _files_of(label) or link))
    return {"title": name_lazy(title), "icon": icon, "link": link, "active": here}


def _files_of(label: str) -> str:
    """Return below which address the pages of a list's objects are; empty where they are below the list."""
    if label not in FILES:
        return ""
    name, key = FILES[label]
    return reverse(name, kwargs={key: ANYTHING}).partition(str(ANYTHING))[0]
