"""What the portal fills in for a German reader is what it takes back from them, also among many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import translation

from agents.models import Agent, Department, Measure, Policy, Stop, Throttle
from agents.selectors.offers import BOUND, SLOWED, STOPPED
from audit import offers
from tests.agents.authority import catalogue
from tests.company import new_agent
from tests.sent_back import held

WHY = "The test asks for it"
LIMIT = {
    "name": "Calls a day",
    "operations": "*",
    "amount": "1",
    "unit": "count",
    "window": "day",
    "ceiling": "5",
    "on_exceed": "deny",
    "mode": "enforced",
}
# Each form, what else it needs, and how what it makes is found again.
FORMS: dict[str, tuple[dict[str, str], Any]] = {
    "agents_policy_add": ({"name": "A policy"}, Policy),
    "agents_measure_add": (LIMIT, Measure),
    "agents_stop_add": ({}, Stop),
    "agents_throttle_add": ({"name": "Slow", "most_at_once": "3", "is_enabled": "on"}, Throttle),
}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def operations() -> Iterator[None]:
    with catalogue():
        yield


@pytest.fixture(params=[0, 100], ids=["box", "list"])
def most(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(offers, "MOST_LISTED", request.param)
    return int(request.param)


def german(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    client.cookies["django_language"] = "de"
    return client


def sent_back(client: Client, address: str, **more: str) -> Any:
    """Open a page and send back what it holds."""
    form = held(client.get(address).content.decode(), "scope")
    return client.post(address, {**form, **more, "reason": WHY})


def scopes(working: Agent) -> list[str]:
    return [f"department:{working.department_id}", f"role:{working.role_id}", f"agent:{working.pk}"]


def test_each_form_takes_back_what_it_shows(most: int, alice: Any, dave: Any, working: Agent) -> None:
    for name, (more, model) in FORMS.items():
        client = german(dave if model is Stop else alice)
        for scope in scopes(working)[2 if model is Throttle else 0 :]:
            address = f"{reverse(f'admin:{name}')}?scope={scope}"
            shown = held(client.get(address).content.decode(), "scope")["scope"]
            assert (shown == scope) == bool(most), shown
            answer = sent_back(client, address, **more, code=f"one_{scope[:4]}")
            assert answer.status_code == 302, (name, shown)
            row = model.objects.latest("pk")
            assert f"{row.scope_kind}:{row.scope_id}" == scope, (name, shown)


def test_the_whole_company_is_bound_and_everything_stopped(
    most: int, alice: Any, dave: Any, working: Agent
) -> None:
    client = german(alice)
    adding = reverse("admin:agents_policy_add")
    shown = held(client.get(adding).content.decode(), "scope")["scope"]
    assert shown == ("company:" if most else "Das ganze Unternehmen")
    assert sent_back(client, adding, name="For all").status_code == 302
    policy = Policy.objects.get(name="For all")
    assert policy.scope_kind == "company"
    change = reverse("admin:agents_policy_change", args=[policy.pk])
    assert sent_back(client, change).status_code == 302
    assert Policy.objects.get(pk=policy.pk).scope_kind == "company"
    stopping = f"{reverse('admin:agents_stop_add')}?scope=everything:"
    assert sent_back(german(dave), stopping).status_code == 302
    assert Stop.objects.get().scope_kind == "everything"


def test_what_is_sent_back_wrong_keeps_its_scope(working: Agent, dave: Any, most: int) -> None:
    client = german(dave)
    address = f"{reverse('admin:agents_stop_add')}?scope={scopes(working)[0]}"
    form = held(client.get(address).content.decode(), "scope")
    refused = client.post(address, {**form, "reason": ""})
    assert refused.status_code == 200
    again = held(refused.content.decode(), "scope")
    assert again["scope"] == form["scope"]
    assert client.post(address, {**again, "reason": WHY}).status_code == 302


@pytest.mark.parametrize("offer", [BOUND, STOPPED, SLOWED], ids=["bound", "stopped", "slowed"])
def test_what_stands_in_a_box_means_the_same_in_every_language(offer: offers.Offer, working: Agent) -> None:
    for shown_in, _ in settings.LANGUAGES:
        with translation.override(shown_in):
            found = offer.found("", 100)
        for read_in, _ in settings.LANGUAGES:
            with translation.override(read_in):
                read = {one.label: offer.value_of(one.label) for one in found}
            assert read == {one.label: one.choice.value for one in found}, (shown_in, read_in)


def test_nobody_named_like_everything_is_stopped_in_its_place(alice: Any, working: Agent) -> None:
    for code, name in (("one", "Alles"), ("two", "Everything")):
        Agent.objects.filter(pk=new_agent(alice, code).pk).update(name=name)
    for typed in ("Alles", "Everything", "alles"):
        assert STOPPED.value_of(typed) == "everything:", typed
    one = Agent.objects.get(code="one")
    for typed in ("one", "Alles (one), Agent", "Alles (one), agent"):
        assert STOPPED.value_of(typed) == f"agent:{one.pk}", typed


def test_what_is_near_is_found_by_words_of_either_language(working: Agent) -> None:
    for language, _ in settings.LANGUAGES:
        with translation.override(language):
            for typed in ("whole", "ganze"):
                assert [one.choice.value for one in BOUND.found(typed)] == ["company:"], (language, typed)


def test_a_department_of_another_language_is_named_by_its_kind(working: Agent) -> None:
    department = Department.objects.create(code="pur", name="Purchasing")
    for typed in ("Purchasing (pur), Abteilung", "Purchasing (pur), department"):
        assert BOUND.value_of(typed) == f"department:{department.pk}", typed
    assert BOUND.value_of("Purchasing (pur), Rolle") == ""
