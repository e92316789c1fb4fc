"""Who may open, add, save and do what in the admin: the table [admin] of permission_matrix.txt, by hand.

Questions are read from the URL resolver as ``app.model question``: list, add, open, save, history, delete and
each verb. Cells: y (admitted), n (refused, 403), gone (not among what this person may see), in (sign in first).
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.apps import apps

from autonomy.site import PortalAdminSite
from autonomy.templates import ReaderTemplate
from tests.surface import Route, routes
from tests.test_permission_matrix import FORM, Key, compare, table
from tests.world import CALLERS, World, undone

NOBODY = ("anon", "disabled", "robo")
STAFF = tuple(caller for caller in CALLERS if caller not in NOBODY)
# Open to whoever may sign in, or part of signing in: shows nothing of the company.
FRAME = {
    *(
        "admin/login/",
        "admin/logout/",
        "admin/password_change/",
        "admin/password_change/done/",
        "admin/jsi18n/",
    ),
    *("admin/search/", "admin/autocomplete/", "admin/", "admin/(?P<url>.*)$"),
}
PAGE = re.compile(r"^admin/(?P<app>\w+)/(?P<model>\w+)/(?P<rest>.*)$")
VERSION = "history/<version>/"
STANDARD = {
    "": "list",
    "add/": "add",
    "change/": "open",
    "history/": "history",
    "delete/": "delete",
    VERSION: "version",
}
NOT_HERE = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(autouse=True)
def _unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is admitted is decided before a page is painted, and painting is most of the work."""
    monkeypatch.setattr(ReaderTemplate, "render", lambda *_args, **_kwargs: "")
    monkeypatch.setattr(PortalAdminSite, "each_context", lambda *_args: {})


def admin_routes() -> list[Route]:
    return [route for route in routes() if route.is_admin and route.pattern not in FRAME]


def questions() -> dict[Key, str]:
    """Return the address pattern of each question that the resolver knows."""
    found: dict[Key, str] = {}
    for route in admin_routes():
        page = PAGE.match(route.pattern)
        if page is None or page["rest"] == "<path:object_id>/":
            # The list of an app and redirects to a page that asks again.
            continue
        rest = VERSION if page["rest"].startswith("^") else re.sub(r"^<[^>]+>/", "", page["rest"])
        name = f"{page['app']}.{page['model']} {STANDARD.get(rest) or re.sub('/<.*', '', rest).strip('/')}"
        for method in ("GET",) if rest in ("", "history/") else ("GET", "POST"):
            key = (
                name if method == "GET" or rest != "change/" else name.replace(" open", " save"),
                "-",
                method,
            )
            found[key] = route.pattern
    return found


def test_every_question_has_its_row_and_no_row_is_left_over():
    asked, listed = set(questions()), set(table("admin"))
    assert sorted(asked - listed) == [], "add these to permission_matrix.txt"
    assert sorted(listed - asked) == [], "remove these from permission_matrix.txt"


def address(world: World, pattern: str) -> str:
    page = PAGE.match(pattern)
    assert page
    model = apps.get_model(page["app"], page["model"])
    own = world.own.get(f"{page['model']}s")
    found: Any = own if isinstance(own, model) else model._default_manager.first()
    if page["rest"].startswith("^"):
        version = found.history.first() if found else None
        key = found.pk if found else NOT_HERE
        return f"/admin/{page['app']}/{page['model']}/{key}/history/{version.pk if version else 0}/"
    pattern = pattern.replace("<uuid:agent_id>", str(world.own["agents"].pk))
    return "/" + re.sub(r"<[^>]+>", str(found.pk if found else NOT_HERE), pattern)


def cell(world: World, caller: str, url: str, method: str) -> str:
    data = urlencode({"reason": "the matrix asks"}) if method == "POST" else ""
    with undone():
        answer = world.clients[caller].generic(method, url, data, content_type=FORM)
    place = answer.get("Location", "")
    if answer.status_code == 302 and place.startswith("/admin/login/"):
        return "in"
    if answer.status_code == 404 or (answer.status_code == 302 and place == "/admin/"):
        return "gone"
    return {200: "y", 302: "y", 422: "y", 403: "n"}.get(answer.status_code, str(answer.status_code))


@pytest.mark.parametrize(
    "app",
    [
        *("documents", "approvals", "actions"),
        # Asking every caller for each of these takes minutes.
        *(
            pytest.param(app, marks=pytest.mark.full)
            for app in ("audit", "agents", "connectors", "tasks", "runs", "triggers", "notices")
        ),
    ],
)
def test_the_admin_answers_each_caller_as_the_table_says(world, app):
    where = questions()
    expected = {key: cells for key, cells in table("admin").items() if key[0].startswith(f"{app}.")}

    def ask(caller: str, key: Key) -> str:
        return "in" if caller in NOBODY else cell(world, caller, address(world, where[key]), key[2])

    compare(expected, ask)


@pytest.mark.parametrize(
    "caller", [pytest.param(who, marks=() if who == "anon" else pytest.mark.full) for who in NOBODY]
)
def test_nobody_without_a_session_of_a_person_opens_any_page(world, caller):
    for key, pattern in questions().items():
        assert cell(world, caller, address(world, pattern), key[2]) == "in", key
