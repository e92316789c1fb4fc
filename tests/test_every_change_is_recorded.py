"""Each entry that changes something is driven once, and fails here where its change leaves no event.

Entries are read from the URL resolver, the admin site, Celery and the commands: a new one is driven, too.
What changes nothing in the small company of tests/world.py stands in a list below with the reason; every other
test of the suite is watched the same way (``tests/watching.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from django import forms
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from autonomy.site import PortalAdminSite
from autonomy.templates import ReaderTemplate
from tests.company import PASSWORD
from tests.test_permission_matrix import FORM, ask, table
from tests.test_permission_matrix_admin import address as admin_address
from tests.test_permission_matrix_admin import questions as admin_questions
from tests.watching import EXEMPT, Watch, everything_watched
from tests.world import CALLERS, World, undone

SAFE = ("GET", "HEAD", "OPTIONS", "FOLLOW")

# What changes nothing here, and why; by the name of the entry.
READ = "a page to read, which answers a POST like a GET"
ELSEWHERE = "needs what cannot be made up here; done in {}, under the same watch"
ASKS_FIRST = "shows what it would do, and does it once that was seen: {}, under the same watch"
UNFILLED = "no test fills in this form yet; the service that it calls records: {}"
UNCHANGED: dict[str, str] = {
    "POST oauth/token": "needs the secret of a client: tests/agents/test_oauth.py, under the same watch",
    "POST api/v1/model-use": "keeps what an agent says it used (EXEMPT); that a budget is spent is told",
    "POST api/v1/tasks/<uuid:task_id>/heartbeat": "says that the holder lives (EXEMPT)",
    "POST ledger/download.csv": "a download is read with GET, and is an event: tests/audit/test_downloads.py",
    "POST ledger/download.jsonl": "a download is read with GET, and is an event: tests/audit/test_downloads.py",
    "POST ledger/story/action/<uuid:key>/": "shows a story, and does nothing",
    "POST ledger/story/run/<uuid:key>/": "shows a story, and does nothing",
    **dict.fromkeys(
        (
            "POST choices/account-agents/",
            "POST choices/bound/",
            "POST choices/certified/",
            "POST choices/holders/",
            "POST choices/listeners/",
            "POST choices/slowed/",
            "POST choices/standing-agents/",
            "POST choices/stopped/",
            "POST runs/<uuid:run_id>/steps/<uuid:step_id>/redirect/takers/",
            "POST runs/signals/",
            "POST runs/signals/parts/",
        ),
        "is read with GET, and does nothing",
    ),
    "POST runs/<uuid:run_id>/signal/": "nothing waits for one: tests/workflows/test_signals_page.py",
    "POST api/v1/decisions": "says what would be decided, and does nothing",
    "POST api/v1/policies/preview": "says what would change, and does nothing",
    "POST api/v1/role-templates/preview": "says what would change, and does nothing",
    "PATCH api/v1/calendars/<uuid:pk>": "changes what is named: tests/agents/test_calendars.py",
    "PATCH api/v1/throttles/<uuid:pk>": "changes what is named: tests/agents/test_throttles.py",
    "POST api/v1/actions/<uuid:action_id>/appeal": "nothing is denied: tests/workflows/appeals/test_appeals.py",
    "POST api/v1/actions/<uuid:action_id>/resolve": "only a doubt is resolved: tests/workflows/test_api.py",
    "POST api/v1/agents/<uuid:pk>/lift-brake": "nothing is braked: tests/agents/test_api.py",
    "POST api/v1/agents/<uuid:pk>/promote": "no probation: tests/agents/test_employment_doors.py",
    "POST api/v1/agents/<uuid:pk>/retire": "has work to hand over: tests/agents/test_employment_doors.py",
    "POST api/v1/agents/<uuid:pk>/take-over": "has its sponsor: tests/agents/test_employment_doors.py",
    "POST api/v1/approvals/votes": "who may is asked one by one: tests/workflows/test_voting_together.py",
    "POST api/v1/hooks/<uuid:hook_id>": "needs a signature: tests/workflows/triggers/test_webhooks.py",
    "POST api/v1/runs/<uuid:run_id>/migrate": "there is no other version: tests/workflows/test_migration.py",
    "POST api/v1/runs/<uuid:run_id>/resume": "nothing is paused: tests/workflows/test_run_api.py",
    "POST api/v1/runs/<uuid:run_id>/retry": "none is parked: tests/workflows/test_run_api.py",
    "POST api/v1/runs/<uuid:run_id>/signals": "nothing waits for one: tests/workflows/test_signals.py",
    "POST api/v1/signals": "nothing waits for one: tests/workflows/test_signals.py",
    "POST api/v1/runs/<uuid:run_id>/steps/<uuid:step_id>/retry": "as its run: tests/workflows/test_run_api.py",
    "POST api/v1/tasks/claim": "there is nothing to take: tests/workflows/test_task_api.py",
    "POST api/v1/workflows": "needs a whole workflow: tests/workflows/test_workflow_api.py",
    "POST agents/<uuid:agent_id>/try/": "says what would be decided, and does nothing",
    "POST roles/templates/<slug:code>/": ASKS_FIRST.format("tests/workflows/test_role_template_doors.py"),
    "POST policies/import/": ASKS_FIRST.format("tests/workflows/test_policy_file_doors.py"),
    "POST actions/<uuid:action_id>/resolve/": "only a doubt is resolved: tests/workflows/test_pages.py",
    "POST bell/read/": "says what its reader has read (EXEMPT)",
    "POST bell/<uuid:key>/": "says what its reader has read (EXEMPT)",
    "POST rules/<uuid:rule_id>/mode/": ASKS_FIRST.format("tests/workflows/test_policy_pages.py"),
    "POST confirm/": "confirms for a vote that waits: tests/workflows/test_step_up.py",
    "POST agents/<uuid:agent_id>/life/promote/": "no probation: tests/agents/test_employment_doors.py",
    "POST agents/<uuid:agent_id>/life/retire/": "has work to hand over: tests/agents/test_employment_doors.py",
    "POST agents/<uuid:agent_id>/life/activate/": "is at work: tests/workflows/test_agent_file.py",
    "POST agents/<uuid:agent_id>/life/resume/": "nothing is paused: tests/workflows/test_agent_file.py",
    "POST console/agents/<uuid:agent_id>/resume/": "nothing is paused: tests/workflows/test_console.py",
    "POST console/agents/<uuid:agent_id>/override/": ASKS_FIRST.format("tests/workflows/test_console.py"),
    "POST console/stops/<uuid:stop_id>/stop/": "it stands already: tests/workflows/test_console.py",
    "POST runs/incidents/together/": "none is parked: tests/workflows/test_incidents_page.py",
    "POST settings/": "all is as it was: tests/workflows/test_inbox_lists.py",
    "POST workflows/check/": "says what is to be mended, and does nothing",
    "POST workflows/new/": "needs a whole workflow: tests/workflows/test_drawing.py",
    "POST workflows/<uuid:workflow_id>/edit/": "needs a whole workflow: tests/workflows/test_drawing.py",
    **dict.fromkeys(
        (f"POST guides/{page}" for page in (
            "", "agents/", "agents/<uuid:agent_id>/", "agents/<uuid:agent_id>/parts/", "contracts/",
            "contracts/agents/<uuid:agent_id>/", "contracts/roles/<slug:code>/", "systems/",
            "systems/<uuid:system_id>/", "workflows/", "workflows/<uuid:workflow_id>/",
            "workflows/<uuid:workflow_id>/parts/",
        )),
        "goes on to the step that is due, whose form is filled in: tests/workflows/test_guides.py",
    ),
    "POST agents/<uuid:agent_id>/life/take-over/": "has its sponsor: tests/agents/test_employment_doors.py",
    **dict.fromkeys(
        (f"POST {page}" for page in (
            "/", "home/parts/", "live/", "activity/", "activity/rows/", "agents/", "standing/",
            "actions/<uuid:action_id>/", "actions/<uuid:action_id>/parts/", "agents/<uuid:agent_id>/contract/",
            "agents/<uuid:agent_id>/life/", "appeals/<uuid:appeal_id>/", "approvals/load/", "contested/",
            "backtests/<uuid:backtest_id>/", "backtests/<uuid:backtest_id>/parts/", "inbox/", "inbox/rows/",
            "certificates/<uuid:certificate_id>/", "inbox/<uuid:approval_id>/", "policies/export/",
            "documents/<uuid:document_id>/", "documents/<uuid:document_id>/picture/",
            "inbox/<uuid:approval_id>/detail/", "inbox/work/<uuid:task_id>/", "roles/<slug:code>/export/",
            "inbox/work/<uuid:task_id>/detail/", "roles/templates/", "roles/templates/<slug:code>.yaml",
            "search/", "search/parts/", "bell/", "bell/parts/", "policies/", "policies/coverage/",
            "policies/<uuid:policy_id>/", "rules/<uuid:rule_id>/trial/",
            "agents/<uuid:agent_id>/", "agents/<uuid:agent_id>/history/", "console/", "console/agents/",
            "console/side/", "console/top/", "roles/<uuid:role_id>/", "systems/<uuid:system_id>/",
            "runs/<uuid:run_id>/evidence.json", "runs/<uuid:run_id>/evidence.pdf", "runs/runs.csv",
            "runs/<uuid:run_id>/evidence/", "runs/incidents/", "runs/incidents/parts/",
            "workflows/<uuid:workflow_id>/versions/<int:number>/",
            "runs/", "runs/<uuid:run_id>/", "runs/parts/", "runs/<uuid:run_id>/parts/", "runs/start/",
        )),
        READ,
    ),
    **dict.fromkeys(
        (f"POST runs/<uuid:run_id>/{verb}/" for verb in (
            "cancel", "compensate", "migrate", "pause", "priority", "resume", "retry",
            *(f"steps/<uuid:step_id>/{name}" for name in (
                "deadline", "override", "redirect", "rerun", "retry", "skip",
            )),
        )),
        ASKS_FIRST.format("tests/workflows/test_verb_pages.py"),
    ),
    "admin audit.event erase": "asks for what is sealed: tests/agents/test_retention.py, under the same watch",
    "admin audit.event export": "takes what is sealed: tests/audit/test_exporting.py, under the same watch",
    "admin audit.legalhold add": "asks of what: tests/agents/test_retention.py, under the same watch",
    "admin agents.policy save": "no test fills in this form yet; its service records what it changes",
    "admin agents.lifecycleterms add": "there is one of it, which is saved",
    "admin agents.stop affected": "says what would be stopped, and stops nothing",
    **dict.fromkeys(
        (f"admin agents.{kind} preview" for kind in ("measure", "rule", "throttle")),
        "says what it would mean, and does nothing",
    ),
    **dict.fromkeys(
        (f"admin triggers.{kind} try_it" for kind in ("eventtrigger", "schedule", "webhook")),
        "says what would come of it, and starts nothing",
    ),
    **dict.fromkeys(
        (f"admin runs.run {verb}" for verb in (
            "cancel", "compensate", "migrate", "pause", "priority", "resume", "retry",
        )),
        "leads to the page of the verb: tests/workflows/test_verb_pages.py",
    ),
    **{
        f"admin {name}": ELSEWHERE.format(f"tests/{place}.py") for name, place in {
            "agents.agent autonomy": "agents/test_admin_agents",
            "agents.agent clone": "agents/test_cloning",
            "agents.agent demote": "agents/test_employment_doors",
            "agents.agent issue_secret": "agents/test_admin_agents",
            "agents.throttle add": "agents/test_throttles",
            "agents.user add": "agents/test_admin",
            "agents.user save": "agents/test_sign_in_recorded",
            "agents.user password": "agents/test_sign_in_recorded",
            "connectors.operation grant": "connectors/test_admin",
            "connectors.operation revoke": "connectors/test_admin",
            "runs.workflow add": "workflows/test_pages_admin",
            "runs.workflow save": "workflows/test_pages_admin",
            "triggers.webhook issue_secret": "workflows/triggers/test_webhooks",
        }.items()
    },
    **{
        f"admin {name}": UNFILLED.format(f"tests/{place}.py") for name, place in {
            "agents.agent reassign": "agents/test_lifecycle",
            "agents.agent rotate_secret": "agents/test_credentials",
            "connectors.account add": "connectors/test_accounts",
            "connectors.operation add": "connectors/test_grants",
            "triggers.watchedfolder add": "workflows/triggers/test_folders",
        }.items()
    },
}  # fmt: skip


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is changed is changed before a page is painted, and painting is most of the work."""
    monkeypatch.setattr(ReaderTemplate, "render", lambda *_args, **_kwargs: "")
    monkeypatch.setattr(PortalAdminSite, "each_context", lambda *_args: {})


@contextmanager
def seen() -> Iterator[list[tuple[str, Watch]]]:
    """Collect what each request, job and command writes."""
    found: list[tuple[str, Watch]] = []
    with everything_watched(lambda name, watch: found.append((name, watch))):
        yield found


def judge(entries: dict[str, list[Watch]]) -> list[str]:
    """Return what is wrong: a change without an event, an entry without a change, a reason that is none."""
    wrong = []
    for name, watches in sorted(entries.items()):
        silent = {what for watch in watches for what in watch.unrecorded(EXEMPT)}
        changed = any(watch.changed(EXEMPT) for watch in watches)
        if silent:
            wrong.append(f"{name} changed without an event: {', '.join(sorted(silent))}")
        told = changed or any(watch.recorded() for watch in watches)
        if not told and name not in UNCHANGED:
            wrong.append(f"{name} changed nothing: arrange for it, or say why in UNCHANGED")
        if changed and name in UNCHANGED:
            wrong.append(f"{name} does change something: take it out of UNCHANGED")
    return wrong


def admitted(cells: dict[str, str]) -> list[str]:
    """Return who is let in, whoever is asked first being the least."""
    return [caller for caller in CALLERS if cells[caller] in ("200", "201", "202", "302", "y")]


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("unpainted")
@pytest.mark.parametrize("section", ["api", "pages"])
def test_every_address_that_changes_something_records_it(world: World, section: str) -> None:
    entries: dict[str, list[Watch]] = {}
    for key, cells in table(section).items():
        route, _, method = key
        if method in SAFE:
            continue
        watches = entries.setdefault(f"{method} {route}", [])
        who = admitted(cells)
        for caller in dict.fromkeys((who[:1] + who[-1:])[: 1 if f"{method} {route}" in UNCHANGED else 2]):
            if any(watch.changed(EXEMPT) for watch in watches):
                break
            with seen() as found:
                ask(world, caller, key)
            watches.extend(watch for _, watch in found)
    wrong = judge(entries)
    assert not wrong, "\n".join(wrong)


def filled(form: Any) -> dict[str, Any]:
    """Return what the form would send as it is shown, with something in what has to be said."""
    sent: dict[str, Any] = {}
    for bound in form:
        value = bound.value()
        field = bound.field
        if value in (None, "", []) and (field.required or bound.name == "reason"):
            value = _made_up(bound.name, field)
        widget = field.widget
        if hasattr(widget, "decompress") and hasattr(widget, "widgets"):
            parts = value if isinstance(value, list | tuple) else widget.decompress(value)
            sent |= {f"{bound.html_name}_{place}": part for place, part in enumerate(parts) if part is not None}
        elif isinstance(field, forms.BooleanField):
            sent |= {bound.html_name: "on"} if value else {}
        elif value is not None and value != "":
            sent[bound.html_name] = value if isinstance(value, str) else field.prepare_value(value)
    return {name: _sendable(value) for name, value in sent.items()}


def _made_up(name: str, field: Any) -> Any:
    if isinstance(field, forms.ModelChoiceField):
        found = field.queryset.first()
        several = isinstance(field, forms.ModelMultipleChoiceField)
        return ([found.pk] if several else found.pk) if found else ""
    if isinstance(field, forms.ChoiceField):
        flat = [key for key, told in field.choices if not isinstance(told, list | tuple)]
        return next((key for key in flat if key), "")
    if isinstance(field, forms.DateField):
        return "2098-01-01"
    if isinstance(field, forms.IntegerField | forms.DecimalField):
        return max(1, getattr(field, "min_value", None) or 1)
    words = {
        "reason": "the matrix asks",
        "scope": "Everything",
        "code": "matrix",
        "username": "matrix",
        "currency": "CHF",
    }
    return words.get(name, "https://matrix.example" if "url" in name or name == "address" else "Asked")


def _sendable(value: Any) -> Any:
    if isinstance(value, list | tuple | QuerySet):
        return [getattr(one, "pk", one) for one in value]
    return json.dumps(value) if isinstance(value, dict) else getattr(value, "pk", value)


def fill_in(client: Any, url: str) -> None:
    """Open a page or the dialog of a verb, change one text of its form, and send it."""
    dialog = {"HX-Request": "true"} if not url.endswith(("/add/", "/change/", "/password/")) else {}
    context = getattr(client.get(url, headers=dialog), "context_data", None) or {}
    adminform = context.get("adminform")
    form = adminform.form if adminform else next(
        (one for one in context.values() if isinstance(one, forms.BaseForm)), None
    )  # fmt: skip
    sent = filled(form) if form is not None else {}
    for text in ("description", "purpose", "name", "words", "sentence", "first_name"):
        if text in sent and isinstance(sent[text], str):
            sent[text] += " anew"
            break
    for inline in context.get("inline_admin_formsets", ()):
        sent |= filled(inline.formset.management_form)
    sent = {"reason": "the matrix asks", **sent, **({"_form_submitted": "1"} if dialog else {})}
    client.post(url, urlencode(sent, doseq=True), content_type=FORM, headers=dialog)


def drive_admin(world: World) -> tuple[dict[str, list[Watch]], list[str]]:
    """Send every form, and do every verb, as whoever may; return what was written, and what broke."""
    entries: dict[str, list[Watch]] = {}
    broken: list[str] = []
    patterns = admin_questions()
    for key, cells in table("admin").items():
        name, _, method = key
        who = [caller for caller in admitted(cells) if caller not in ("anon", "disabled", "robo")]
        if method in SAFE or not who:
            continue
        watches = entries.setdefault(f"admin {name}", [])
        url = admin_address(world, patterns[key])
        for caller in dict.fromkeys(who[:1] + who[-1:]):
            with seen() as found, undone():
                try:
                    fill_in(world.clients[caller], url)
                except Exception as error:  # noqa: BLE001 - told with all the others
                    broken.append(f"{name}: {error!r}"[:200])
            watches.extend(watch for _, watch in found)
            if any(watch.changed(EXEMPT) for watch in watches):
                break
    return entries, broken


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("unpainted")
def test_every_form_and_verb_of_the_admin_that_changes_something_records_it(world: World) -> None:
    entries, broken = drive_admin(world)
    wrong = [*judge(entries), *broken]
    assert not wrong, "\n".join(wrong)


@pytest.mark.full
@pytest.mark.usefixtures("unpainted")
def test_signing_in_and_out_and_a_new_password_are_recorded(world: World) -> None:
    entries: dict[str, list[Watch]] = {}
    new = {"old_password": PASSWORD, "new_password1": "entirely-new-7281", "new_password2": "entirely-new-7281"}
    for page, sent in (
        ("login", {"username": "alice", "password": PASSWORD}),
        ("password_change", new),
        ("logout", {}),
    ):
        client = Client()
        if page != "login":
            client.force_login(world.people["alice"])
        with undone(), seen() as found:
            client.post(reverse(f"admin:{page}"), sent)
        entries[f"admin {page}"] = [watch for _, watch in found]
        assert all(watch.recorded() for watch in entries[f"admin {page}"])
    assert not judge(entries)
