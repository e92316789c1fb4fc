"""Lists of the admin: called by what is in them, taken away as cells, and found in the menu."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from agents.models import Agent, User
from agents.services import policies
from audit import admincsv
from audit.adminkit import GovernedAdmin, ReadOnlyAdmin
from audit.models import Event
from tests.agents.authority import catalogue
from tests.agents.facts import post_invoice

pytestmark = pytest.mark.django_db
OPERATION = post_invoice()


@pytest.fixture(autouse=True)
def operations() -> Iterator[None]:
    with catalogue():
        yield


@pytest.fixture
def root(db: Any) -> User:
    return User.objects.create_superuser("root", password=None)


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def cells(client: Client, name: str, query: str = "") -> list[list[str]]:
    answer = client.get(reverse(name) + query)
    assert answer.status_code == 200, answer
    return list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


def test_every_list_is_called_by_what_is_in_it_and_goes_away_as_cells(root: User, draft: Agent) -> None:
    client = signed_in(root)
    seen = 0
    for model, model_admin in admin.site._registry.items():
        if not isinstance(model_admin, GovernedAdmin | ReadOnlyAdmin) or not model_admin.has_csv:
            continue
        opts = model._meta
        name = f"admin:{opts.app_label}_{opts.model_name}"
        shown = client.get(reverse(f"{name}_changelist"), follow=True)
        assert shown.status_code == 200, name
        if shown.redirect_chain:
            continue  # of these there is one, and its list leads to it
        assert shown.context["title"].lower() == opts.verbose_name_plural.lower()
        assert reverse(f"{name}_csv") in shown.content.decode(), name
        found = cells(client, f"{name}_csv")
        assert len(found[0]) >= 2, name
        assert len(found) - 1 == shown.context["cl"].result_count, name
        assert not any("material-symbols" in cell or "<" in cell for line in found for cell in line), name
        seen += 1
    assert seen > 25


def test_a_list_says_what_it_shows_in_words_and_keeps_its_filters(alice: User, draft: Agent) -> None:
    content = {"name": "Large", "operations": OPERATION.code, "verdict": "deny", "mode": "enforced"}
    policy = policies.create_policy(actor=alice.as_actor(), code="test", name="Test", reason="For a test")
    policies.create_rule(actor=alice.as_actor(), policy=policy, content=content, reason="For a test")
    client = signed_in(alice)
    lines = cells(client, "admin:agents_rule_csv")
    assert lines[0] == ["Sentence", "Policy", "Operations", "Verdict", "Mode"]
    assert lines[1][1:] == ["Test", OPERATION.name, "Refuse it", "Enforced"]
    assert len(cells(client, "admin:agents_rule_csv", "?verdict__exact=hold")) == 1
    taken = Event.objects.filter(verb="audit.list_downloaded").order_by("id")
    assert [event.sentence for event in taken] == [
        "Alice downloaded the list of rules.",
        "Alice downloaded the list of rules, narrowed: verdict__exact hold.",
    ]
    assert client.get(reverse("admin:agents_rule_csv") + "?nothing=there").status_code == 302
    assert client.post(reverse("admin:agents_rule_csv")).status_code == 405


def test_a_list_that_is_cut_says_so(root: User, draft: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admincsv, "MOST_LINES", 1)
    lines = cells(signed_in(root), "admin:agents_user_csv", "?kind=all")
    assert lines[2:] == [["There are more than 1: narrow the list."]]


def test_people_are_listed_without_the_identities_of_agents(root: User, draft: Agent) -> None:
    client = signed_in(root)
    names = {line[1] for line in cells(client, "admin:agents_user_csv")[1:]}
    assert draft.user.username not in names
    assert "root" in names
    only = {line[1] for line in cells(client, "admin:agents_user_csv", "?kind=agents")[1:]}
    assert draft.user.username in only
    assert "root" not in only


def groups_of(client: Client, address: str) -> dict[str, tuple[bool, list[str]]]:
    """Return of each group of the menu whether it is open, and what is marked as here in it."""
    text = client.get(address, follow=True).content.decode()
    found = {}
    for key, more, body in re.findall(r'data-menu-group="(\w+)"([^>]*)>(.*?)</details>', text, re.DOTALL):
        here = re.findall(r'aria-current="true">.*?<span>([^<]*)</span>', body, re.DOTALL)
        found[key] = (" open" in more, here)
    return found


def test_the_menu_is_open_where_somebody_is(alice: User, root: User, draft: Agent) -> None:
    client = signed_in(root)
    home = groups_of(client, "/")
    assert list(home) == ["work", "workflows", "workforce", "rules", "connections", "records", "company"]
    assert [key for key, (is_open, _here) in home.items() if is_open] == ["work", "workforce"]
    assert home["work"][1] == ["Home"]
    limits = groups_of(client, reverse("admin:agents_measure_changelist"))
    assert limits["rules"] == (True, ["Limits"])
    assert groups_of(client, reverse("agent-file", args=[draft.pk]))["workforce"][1] == ["Agents"]


def test_a_short_menu_is_open_as_a_whole(bob: User) -> None:
    assert all(is_open for is_open, _here in groups_of(signed_in(bob), "/").values())
