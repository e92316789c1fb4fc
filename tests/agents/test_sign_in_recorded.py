"""Who signs in and out, and whose password or rights change outside of the pages for it, is in the ledger."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from agents.models import User
from agents.receivers import ensure_groups
from audit.models import Event
from tests.company import PASSWORD

pytestmark = pytest.mark.django_db


def told(verb: str) -> list[tuple[str, str]]:
    return list(Event.objects.filter(verb=verb).values_list("actor_id", "subject_id"))


def test_signing_in_and_out_is_recorded_with_the_session(bob: Any) -> None:
    client = Client(REMOTE_ADDR="192.0.2.7")
    answer = client.post(reverse("admin:login"), {"username": "bob", "password": PASSWORD})
    assert answer.status_code == 302
    assert told("agents.signed_in") == [(str(bob.pk), str(bob.pk))]
    event = Event.objects.get(verb="agents.signed_in")
    assert "192.0.2.7" in event.sentence
    assert event.correlation_id
    bob.refresh_from_db()
    assert bob.last_login is not None
    assert Session.objects.count() == 1
    assert client.get("/admin/").status_code == 302
    assert client.post(reverse("admin:logout")).status_code == 200
    assert told("agents.signed_out") == [(str(bob.pk), str(bob.pk))]
    assert not Session.objects.exists()
    client.post(reverse("admin:logout"))
    assert len(told("agents.signed_out")) == 1, "who is not signed in does not sign out"


def test_whoever_looks_at_the_page_or_fails_did_not_sign_in(bob: Any) -> None:
    client = Client()
    client.get(reverse("admin:login"))
    client.post(reverse("admin:login"), {"username": "bob", "password": "wrong"})
    assert told("agents.signed_in") == []


def test_changing_ones_own_password_is_recorded(bob: Any) -> None:
    client = Client()
    client.force_login(bob)
    new = "entirely-new-7281"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post(reverse("admin:password_change"), {**form, "old_password": "no"}).status_code == 200
    assert told("agents.person_changed") == []
    assert client.post(reverse("admin:password_change"), form).status_code == 302
    assert told("agents.person_changed") == [(str(bob.pk), str(bob.pk))]
    assert new not in Event.objects.get(verb="agents.person_changed").sentence


def test_the_first_sign_in_is_recorded(db: None, monkeypatch: Any) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", "--noinput", "--username", "first", "--email", "f@northwind.example")
    first = User.objects.get(username="first")
    assert told("agents.person_changed") == [("command line", str(first.pk))]
    assert "every right" in Event.objects.get(verb="agents.person_changed").sentence


def test_a_password_set_on_the_command_line_is_recorded(bob: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("getpass.getpass", lambda *_args, **_kwargs: "entirely-new-7281")
    call_command("changepassword", "bob")
    assert told("agents.person_changed") == [("command line", str(bob.pk))]


def test_rights_that_a_new_version_brings_are_recorded_where_a_company_is_at_work(alice: Any) -> None:
    managers = Group.objects.get(name="Managers")
    right = managers.permissions.get(codename="pause_agent")
    managers.permissions.remove(right)
    ensure_groups(apps.get_app_config("agents"), "default")
    assert told("agents.rights_installed") == [], "nothing was done here yet"
    client = Client()
    client.post(reverse("admin:login"), {"username": "alice", "password": PASSWORD})
    managers.permissions.remove(right)
    ensure_groups(apps.get_app_config("agents"), "default")
    ensure_groups(apps.get_app_config("agents"), "default")
    assert told("agents.rights_installed") == [("migrate", str(managers.pk))]
    assert "agents.pause_agent" in Event.objects.get(verb="agents.rights_installed").sentence


def test_other_groups_a_closed_account_and_a_new_password_are_recorded(alice: Any, bob: Any) -> None:
    User.objects.filter(pk=alice.pk).update(is_superuser=True)
    client = Client()
    client.force_login(alice)
    page = reverse("admin:agents_user_change", args=[bob.pk])
    auditors = Group.objects.get(name="Auditors")
    form = {"username": "bob", "first_name": "Bob", "email": bob.email, "reason": "moves to another team"}
    assert client.post(page, {**form, "is_active": "on", "groups": [auditors.pk]}).status_code == 302
    assert "Auditors" in Event.objects.get(verb="agents.person_changed").sentence
    assert client.post(page, {**form, "groups": [auditors.pk]}).status_code == 302
    new = {"password1": "entirely-new-7281", "password2": "entirely-new-7281", "usable_password": "true"}
    assert client.post(f"/admin/agents/user/{bob.pk}/password/", new).status_code == 302
    assert told("agents.person_changed") == [(str(alice.pk), str(bob.pk))] * 3
    bob.refresh_from_db()
    assert [group.name for group in bob.groups.all()] == ["Auditors"]
    assert not bob.is_active
