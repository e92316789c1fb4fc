"""The frame of every page: the admin theme as it was when its templates were copied, under a strict policy."""

from __future__ import annotations

import hashlib
import json
import re
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib import admin
from django.urls import resolve, reverse
from simple_history.admin import SimpleHistoryAdmin

from audit.adminkit import ReasonForm
from workflows.runs.choices import RunVerb

STATIC = Path(__file__).parents[2] / "autonomy" / "static"
TEMPLATES = Path(__file__).parents[2] / "templates"
UNFOLD = Path(import_module("unfold").__file__).parent / "templates"
HISTORY = Path(import_module("unfold.contrib.simple_history").__file__).parent / "templates"

# Upstream files that templates/ holds a changed copy of, as they were when they were copied. A new release of
# the theme that changes one of them fails here: compare, carry the change over, and put the new sum down.
# ruff: noqa: E501
COPIED = {
    UNFOLD / "unfold/layouts/skeleton.html": "66af9f0bb45f98ba4e16ba5e5a11f36d87b8e07430d19066d088b29548491c2e",
    UNFOLD / "unfold/helpers/dialog.html": "e961b19a9a2f2175865055d503b887489cde423a7782b676cbe5ba2c9a1f3a35",
    UNFOLD
    / "unfold/helpers/welcomemsg.html": "e8eab02522ba2319b937086bbcb6bf2a2bbe1489d236ad90ff23edbe070a7d6b",
    UNFOLD
    / "unfold/helpers/navigation_user.html": "4c9ba58b3f215326703c699fff40b582b10125257f7357126531e2cd73785716",
    UNFOLD
    / "unfold/helpers/navigation_header.html": "35139b9d94580be975de34bc44253c52c0b4ed0669dc5d4902c13016f40f31e4",
    UNFOLD
    / "unfold/helpers/theme_switch.html": "c8e659df65f5aa78f136b862365f1dec13ab9f7969a347c5146d2d8602e703b8",
    UNFOLD
    / "unfold/helpers/app_list_badge.html": "bc002ff5a001fd04a8384e750c9fa9815510f719c041043a4e89b44f2c868412",
    UNFOLD / "unfold/helpers/app_list.html": "6ab83ac498b2f50ff045b7abcf2254391ccea9ded1f653c9f860f516d0be65b6",
    UNFOLD
    / "unfold/helpers/header_title.html": "b126ed2ab9ca16802d6763f49a74ba37b5bab125e5ff1af52a1ed586982dd0f3",
    UNFOLD
    / "unfold/helpers/pagination_default.html": "a6c793aea686e443a7fc8a42cb4197361b7789c912919609e2525aa1c65e23a0",
    UNFOLD / "unfold/helpers/search.html": "91996c27181d14ade8b4cbf84d90a4b0d293fdd92ae4325cda0f6889c29e28fb",
    UNFOLD / "unfold/helpers/command.html": "ae6ce324d85366131fc82945b3c35c1b980829229508343993e6adcbee4c975d",
    UNFOLD
    / "unfold/helpers/userlinks.html": "b493fa5ca3595d28c6858f789f303c1797c34107dc60b2857ab6ce8585fc3914",
    UNFOLD
    / "unfold/helpers/empty_results.html": "5f4727a37a99da76e245048c8c7d7307ded9fe749533b33410e38657a9b1ef7e",
    UNFOLD / "unfold/helpers/add_link.html": "36cc86e42047e0124a74dbfc07758c364edab0e83eeed1dc56e6fe2e9a99f2e9",
    UNFOLD
    / "unfold/helpers/header_title.html": "b126ed2ab9ca16802d6763f49a74ba37b5bab125e5ff1af52a1ed586982dd0f3",
    UNFOLD
    / "unfold/helpers/help_text.html": "7c3b12a6d62de9a3cedf13dd3206e9c1a20d685d4518599a39bff51624bf06c8",
    UNFOLD / "unfold/helpers/messages.html": "9e37d808b5122af1bfcd97130465a1fd212904073787230cd67d584873560e79",
    UNFOLD
    / "unfold/helpers/edit_inline/tabular_title.html": "8b67e2262ea42901d26b103c2f9ee0f60d10c0d66686c30d2b9d697a8e69d82b",
    UNFOLD / "admin/base.html": "2ce9250b3c649e3a1d3c7ea52308a2858c60374b76089c29a838c7cc870dbcf0",
    UNFOLD / "admin/base_site.html": "50eb1e71a0b2729ca7ff280934828eecc42d0c526e1effbeafcdfe9b3695637d",
    UNFOLD / "admin/login.html": "13deb7765ce366590d73a58f260f438aa8a3580851a7540b542c451e445c6b78",
    UNFOLD / "admin/change_form.html": "e9824d4d8a447d9741a1fe4a83180042ac11383bd51678e2b5e40460fa42d86a",
    UNFOLD / "admin/submit_line.html": "7a195a7b8beeda119f5cd1364303442bb18f964bb7a086ade6e4ab9bc13e8c18",
    HISTORY
    / "simple_history/object_history_list.html": "90cb710f9208df67adb24d39200af17bfc06bd58eb8b3315547f2e465e518d1d",
    HISTORY
    / "simple_history/object_history_form.html": "4ee43f170ade7e3a37a7d03ed9ab01c55abd6d127d8f9af5d49cbeb92ecad135",
}


@pytest.mark.parametrize("original", COPIED, ids=lambda path: path.name)
def test_the_originals_of_our_templates_are_unchanged(original):
    assert hashlib.sha256(original.read_bytes()).hexdigest() == COPIED[original]


def test_every_template_that_shadows_the_theme_is_listed():
    shadowing = {
        path.relative_to(TEMPLATES)
        for path in TEMPLATES.rglob("*.html")
        if any((root / path.relative_to(TEMPLATES)).exists() for root in (UNFOLD, HISTORY))
    }
    listed = {path.relative_to(UNFOLD if path.is_relative_to(UNFOLD) else HISTORY) for path in COPIED}
    assert shadowing == listed


def test_vendored_files_are_what_they_say():
    for entry in json.loads((STATIC / "portal" / "VENDOR.json").read_text()):
        if "file" in entry:
            found = hashlib.sha256((STATIC / entry["file"]).read_bytes()).hexdigest()
            assert found == entry["sha256"], entry["name"]
        assert all((STATIC / file).exists() for file in entry.get("bundled_in", ())), entry["name"]
        for text in entry["licences"]:
            assert (STATIC / "portal" / "licences" / text).stat().st_size > 100


def test_the_lock_file_names_no_host():
    lock = (STATIC.parent / "frontend" / "package-lock.json").read_text()
    assert '"resolved"' not in lock


def test_the_sign_in_page_runs_no_inline_script_and_no_eval(client, db):
    answer = client.get(reverse("admin:login"))
    policy = answer["Content-Security-Policy"]
    script_src = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert script_src == "script-src 'self'"
    assert re.findall(r"<script(?![^>]*\bsrc=)", answer.content.decode()) == []
    assert " onclick=" not in answer.content.decode()


def every_action():
    for model_admin in admin.site._registry.values():
        names = [
            *getattr(model_admin, "actions_list", ()),
            *getattr(model_admin, "actions_row", ()),
            *getattr(model_admin, "actions_detail", ()),
            *getattr(model_admin, "actions_submit_line", ()),
        ]
        for name in model_admin._extract_action_names(names) if names else ():
            yield model_admin, name


def test_every_action_of_the_admin_is_a_dialog_that_asks_for_a_reason():
    """Or it opens the page of a verb, which asks for one (tests/workflows/test_verb_pages.py)."""
    for model_admin, name in every_action():
        action = getattr(model_admin, name)
        if hasattr(action, "opens"):
            assert resolve(reverse(action.opens, args=[uuid4()])).kwargs["verb"] in RunVerb
            continue
        dialog = getattr(action, "dialog", None)
        assert dialog, f"{type(model_admin).__name__}.{name} runs on a plain link"
        assert issubclass(dialog["form_class"], ReasonForm), f"{type(model_admin).__name__}.{name}"


def test_no_bulk_action_is_offered(rf, django_user_model, db):
    request = rf.get("/")
    request.user = django_user_model.objects.create_superuser("root", password=None)
    for model_admin in admin.site._registry.values():
        assert model_admin.get_actions(request) == {}, type(model_admin).__name__


def test_history_pages_of_every_model_are_read_only(rf, django_user_model, db):
    from django.core.exceptions import PermissionDenied

    request = rf.post("/", {})
    request.user = django_user_model.objects.create_superuser("root", password=None)
    for model_admin in admin.site._registry.values():
        if isinstance(model_admin, SimpleHistoryAdmin):
            with pytest.raises(PermissionDenied):
                model_admin.history_form_view(request, "1", "1")
