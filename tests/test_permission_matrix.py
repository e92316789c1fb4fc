"""Who may ask what of whom. The tables in permission_matrix.txt are written by hand.

An address, a method or a caller without a cell is a failure: what is new is decided on before it is served.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.utils import timezone

from agents.selectors import contract_of
from autonomy.templates import ReaderTemplate
from tests.company import PASSWORD
from tests.fakes import arguments
from tests.surface import Route, routes
from tests.world import CALLERS, World, undone
from workflows.live.looks import rights_in
from workflows.routing import websocket_urlpatterns

TASK_BODIES: dict[str, dict[str, Any]] = {
    "claim": {"lease_seconds": 60},
    "heartbeat": {"epoch": 1, "progress": "half"},
    "complete": {"epoch": 1, "answer": {}, "reason": "read it"},
    "fail": {"epoch": 1, "code": "malformed", "message": "cut off", "retry": False, "detail": {}},
    "release": {"epoch": 1, "reason": "later", "after_seconds": 0},
    "hand-off": {"epoch": 1, "to": {"role": "bookkeeper"}, "reason": "later"},
    "ask": {"epoch": 1, "to": {"role": "bookkeeper"}, "question": "How many?"},
}
STEERING: dict[str, dict[str, Any]] = {
    "priority": {"priority": 1},
    "override": {"answer": {"kind": "chat"}},
    "redirect": {"person": "bob"},
    "deadline": {"due_at": "2099-01-01T00:00:00Z"},
}
POLICY_FILE = "kind: policy\ncode: matrix\nname: Asked by the matrix\n"
ROLE_TEMPLATE = "kind: role\nformat: 1\ncode: matrix\nname: Asked by the matrix\n"
COPY = {
    "name": "A copy",
    "code": "copy",
    "department": "finance",
    "sponsor": "sam",
    "sponsor_from_elsewhere": True,
}
TALK = {
    "comments": {"text": "the matrix says"},
    "say": {"text": "the matrix says", "deed": "comment"},
    "questions": {"question": "which order is it for?"},
    "reassign": {"people": ["bob"], "reason": "the matrix asks"},
}
AWAY = {"first_day": "2099-01-01", "last_day": "2099-01-02"}
SCOPE = {"scope_kind": "operation", "scope_id": "fake.invoice.post"}
# The word before a key, where it is not the name of the objects.
PLURALS = {"bell": "approvals", "inbox": "approvals", "action": "actions", "run": "runs"}
Key = tuple[str, str, str]
Cells = dict[Key, dict[str, str]]

TABLES = Path(__file__).parent / "permission_matrix.txt"
COLUMNS = ("route", "object", "method", *CALLERS)
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@pytest.fixture(autouse=True)
def _unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is admitted is decided before a page is painted, and painting is most of the work."""
    monkeypatch.setattr(ReaderTemplate, "render", lambda *_args, **_kwargs: "")


@lru_cache
def table(section: str) -> Cells:
    """Read one table into (route, object, method) -> caller -> cell."""
    text = TABLES.read_text().partition(f"[{section}]\n")[2].partition("\n[")[0]
    header, *rows = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert tuple(header.split()) == COLUMNS
    found: Cells = {}
    for row in rows:
        words = row.split()
        *route, owner, method = words[: -len(CALLERS)]
        key, cells = (" ".join(route), owner, method), words[-len(CALLERS) :]
        assert key not in found, f"{key} stands twice in the table"
        found[key] = dict(zip(CALLERS, cells, strict=True))
    return found


def section_of(route: Route) -> str:
    if route.is_api:
        return "api"
    return "admin" if route.is_admin else "pages"


def questions(section: str) -> set[Key]:
    """Return every question that the resolver knows in one section."""
    return {
        (route.pattern or "/", owner, method)
        for route in routes()
        if section_of(route) == section
        for owner in (("own", "other") if "<" in route.pattern else ("-",))
        for method in route.methods
    }


@pytest.mark.parametrize("section", ["api", "pages"])
def test_every_address_has_its_row_and_no_row_is_left_over(section):
    asked, listed = questions(section), set(table(section))
    assert sorted(asked - listed) == [], "add these to permission_matrix.txt"
    assert sorted(listed - asked) == [], "remove these from permission_matrix.txt"


def address(world: World, route: str, owner: str) -> tuple[str, Any]:
    """Return the address of an owner's object, and the last object in it; the word before a key names it."""
    found: Any = None

    def named(match: re.Match[str]) -> str:
        nonlocal found
        found = getattr(world, owner).get(PLURALS.get(match[1], match[1]), found)
        keys = {"code": getattr(found, "code", found), "number": 1}
        return f"{match[1]}/{keys.get(match[2], getattr(found, 'pk', found))}"

    return "/" + re.sub(r"([a-z-]+)/<\w+:(\w+)>", named, route).lstrip("/"), found


def body(world: World, route: str, caller: str, found: Any) -> dict[str, Any]:
    """Return what a caller who is admitted would send, so that what is refused is the caller."""
    reason = {"reason": "the matrix asks"}
    invoice = {"operation": "fake.invoice.post", "arguments": arguments("RE-9", 150_000)}
    bodies: dict[str, dict[str, Any]] = {
        "api/v1/tasks/claim": {"most": 1, "lease_seconds": 60},
        "api/v1/model-use": {"key": "matrix", "model": "any"},
        "api/v1/runs": {"workflow": "letters", "input": {"topic": "bolts"}, "key": "matrix-1"},
        "api/v1/workflows": {"text": "code: letters", **reason},
        "api/v1/runs/<uuid:run_id>/signals": {"name": "x", "payload": {}, "dedup_key": "matrix-1"},
        "api/v1/signals": {
            "workflow": "letters",
            "key": "robo",
            "name": "x",
            "payload": {},
            "dedup_key": "matrix-1",
        },
        "api/v1/runs/<uuid:run_id>/migrate": {"version": 1, **reason},
        "api/v1/backtests": {
            "rule": str(world.own["rules"].pk),
            "since": "2020-01-01T00:00:00Z",
            "until": "2099-01-01T00:00:00Z",
        },
        "api/v1/appeals/<uuid:appeal_id>/answer": {"decision": "upheld", **reason},
        "appeals/<uuid:appeal_id>/answer/": {"decision": "upheld", **reason},
        "notifications/": {"how": "daily"},
        "settings/": {"shortcuts": "on"},
        "views/": {"page": "inbox", "name": "Mine", "query": "show=mine"},
        "views/<uuid:view_id>/rename/": {"name": "Theirs"},
        "rules/<uuid:rule_id>/backtest/": {"days": "30"},
        "limits/<uuid:limit_id>/backtest/": {
            "days": "30",
            "ceiling": "5",
            "window": "day",
            "on_exceed": "deny",
        },
        "api/v1/policies/preview": {"text": POLICY_FILE},
        "api/v1/policies/import": {"text": POLICY_FILE, **reason},
        "policies/import/": {"text": POLICY_FILE},
        "api/v1/role-templates/preview": {"text": ROLE_TEMPLATE},
        "api/v1/role-templates/apply": {"text": ROLE_TEMPLATE, **reason},
        "api/v1/agents/<uuid:pk>/clone": {**COPY, **reason},
        "api/v1/approvals/votes": {"verdict": "approve", "approvals": [_choice(world)], **reason},
        "inbox/together/": {"verdict": "approve", "pick": ":".join(_choice(world).values()), **reason},
        "api/v1/delegations": {"delegate": "bob", **AWAY, **reason},
        "away/": {"giver": world.people["sam"].pk, "delegate": world.people["bob"].pk, **AWAY, **reason},
        "api/v1/step-up": {"password": PASSWORD},
        "confirm/": {"password": PASSWORD},
        "api/v1/stops": {"scope_kind": "everything", **reason},
        "api/v1/agents/<uuid:pk>/labels": {"labels": ["german"], **reason},
        "api/v1/calendars": {"name": "Night", "time_zone": "UTC", **reason},
        "api/v1/throttles": {"name": "Few", **SCOPE, "most_at_once": 5, **reason},
        "api/v1/stops/<uuid:pk>/stage": {"stage": "look", **reason},
        "api/v1/agents/<uuid:pk>/demote": {"to": "read_only", **reason},
        "agents/<uuid:agent_id>/life/demote/": {"to": "read_only", **reason},
        "agents/<uuid:agent_id>/life/autonomy/": {"autonomy": "read_only", **reason},
        "api/v1/lifecycle-terms": {"denials": 5, **reason},
        "api/v1/actions": invoice,
        "api/v1/decisions": invoice if caller == "robo" else {**invoice, "agent": "robo"},
        "api/v1/actions/<uuid:action_id>/resolve": {"outcome": "confirmed", **reason},
        "actions/<uuid:action_id>/resolve/": {"outcome": "confirmed", **reason},
        "inbox/work/<uuid:task_id>/do/": {"deed": "claim"},
        "console/agents/<uuid:agent_id>/pause/": {"how": "keep", "seconds": "60", **reason},
        "console/agents/<uuid:agent_id>/redirect/": {"text": "Leave Acme for tomorrow.", **reason},
        "console/stop/": {"typed": "STOP", **reason},
        "agents/<uuid:agent_id>/brake/": {"deed": "pause", **reason},
        "workflows/check/": {"text": "code: letters"},
        "workflows/<uuid:workflow_id>/start/": {"key": "matrix", "input-topic": "bolts"},
    }
    if route.startswith("api/v1/runs/<") and route not in bodies:
        return {**STEERING.get(route.rpartition("/")[2], {}), **reason}
    if (last := route.rstrip("/").rpartition("/")[2]) in ("attest", "sign"):
        stated: Any = True if route.startswith("api/") else "on"
        read = {"digest": contract_of(found).digest, **reason}
        return read if last == "sign" else {"still_needed": stated, **read}
    if route.startswith("api/v1/tasks/<") and not route.endswith(">"):
        return dict(TASK_BODIES[route.rpartition("/")[2]])
    if (said := route.rstrip("/").rpartition("/")[2]) in TALK:
        return TALK[said]
    if not route.startswith(("workflows/", "api/v1/workflows")) and (told := _about_approvals(route, found)):
        return {**told, **reason}
    return bodies.get(route, reason)


def _about_approvals(route: str, found: Any) -> dict[str, Any]:
    end = timezone.now() + timedelta(days=9)
    bodies: dict[str, Callable[[], dict[str, Any]]] = {
        ">/votes": lambda: {"verdict": "approve", "digest": found.digest},
        ">/vote/": lambda: {"verdict": "approve", "digest": found.digest},
        ">/edits": lambda: {"digest": found.digest, "changes": {"note": "as agreed"}},
        ">/edit/": lambda: {
            "digest": found.digest,
            "args-total_0": "1,500.00",
            "args-total_1": "EUR",
            "args-note": "as agreed",
            "args-supplier": "S-1",
            "args-number": "RE-9",
        },
        ">/standing": lambda: {"until": f"{end:%Y-%m-%dT00:00:00Z}", "most_uses": 1, "most_minor": 200_000},
        ">/standing/": lambda: {
            "whose": "agent",
            "most": "2,000.00",
            "most_uses": "1",
            "last_day": f"{end:%Y-%m-%d}",
        },
    }
    return next((told() for end_of, told in bodies.items() if route.endswith(end_of)), {})


def _choice(world: World) -> dict[str, str]:
    approval = world.own["approvals"]
    return {"id": str(approval.pk), "digest": approval.digest}


def ask(world: World, caller: str, key: Key) -> str:
    """Ask one question, undo what it did, and return the cell it gives."""
    route, owner, method = key
    url, found = address(world, route, owner)
    data = body(world, route, caller, found)
    is_api = route.startswith("api/")
    with undone():
        answer = world.clients[caller].generic(
            method,
            url,
            json.dumps(data) if is_api else urlencode(data),
            content_type=JSON if is_api else FORM,
            headers={"Idempotency-Key": "matrix-1", "Prefer": "wait=0"},
        )
    if answer.status_code >= 400 and is_api:
        assert answer["Content-Type"] == "application/problem+json", (key, answer.content)
    if answer.status_code == 302 and answer["Location"].startswith("/admin/login/"):
        return "in"
    return str(answer.status_code)


def compare(expected: Cells, found_of: Callable[[str, Key], str], *, every: int = 1) -> None:
    """Fail with the rows as they were found, where a cell differs.

    Of each row every so many callers are asked, in the next row those beside them.
    """
    wrong = []
    for first, (key, cells) in enumerate(expected.items()):
        asked = {
            caller for place, caller in enumerate(CALLERS, first) if place % every == 0 and cells[caller] != "-"
        }
        found = {caller: found_of(caller, key) if caller in asked else cells[caller] for caller in CALLERS}
        if found != cells:
            changed = [
                f"{caller} {cells[caller]}, found {found[caller]}"
                for caller in CALLERS
                if found[caller] != cells[caller]
            ]
            wrong.append(f"{' '.join(key)}: {'; '.join(changed)}\n    {' '.join(found.values())}")
    assert not wrong, "\n".join(["Cells that differ:", *wrong])


@pytest.mark.parametrize(
    "every", [pytest.param(14, id="some"), pytest.param(1, id="all", marks=pytest.mark.full)]
)
@pytest.mark.parametrize("section", ["api", "pages"])
def test_everybody_is_answered_as_the_table_says(world, section, every):
    compare(table(section), lambda caller, key: ask(world, caller, key), every=every)


def test_every_socket_has_its_row_and_no_row_is_left_over():
    asked = {(str(entry.pattern), "-", "FOLLOW") for entry in websocket_urlpatterns}
    assert asked == set(table("sockets")), "list the sockets in permission_matrix.txt"


def test_everybody_follows_over_a_socket_what_the_table_says(world):
    """A socket asks for these rights when it opens and every few seconds; it follows what that returns."""

    def follows(caller: str, key: Key) -> str:
        cookie = world.clients[caller].cookies.get(settings.SESSION_COOKIE_NAME)
        rights = rights_in(cookie.value if cookie else None)
        return "closed" if rights is None else "+".join(sorted(rights)) or "nothing"

    compare(table("sockets"), follows)
