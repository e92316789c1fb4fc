"""The page of the signals: what waits for one, what came, and sending one by hand."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.workflows.test_runs import begun, step
from tests.workflows.test_signals import send, waits, works_first
from workflows.runs.models import Run, Signal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


def browser(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(user: Any) -> str:
    return browser(user).get(reverse("signals")).content.decode()


@pytest.fixture
def waiting(clerk: Any, alice: Any, bob: Any) -> Run:
    """A run whose step waits for goods, for an hour at most."""
    waits(alice, bob, timeout_seconds=3600)
    return begun(alice)


def test_a_step_that_waits_is_listed_for_who_sees_the_run_with_the_way_for_who_may_send(
    waiting: Run, dave: Any, carol: Any, mallory: Any
) -> None:
    way = f"{reverse('run-signal', args=[waiting.pk])}?name=goods-in"
    shown = page(dave)
    assert (waiting.label in shown, "goods-in" in shown, way in shown, "for ever" in shown) == (
        *(True, True, True),
        False,
    )
    assert (waiting.label in page(carol), way in page(carol)) == (True, False)
    assert waiting.label not in page(mallory)
    assert "No run waits for a signal" in page(mallory)


def test_what_is_sent_by_hand_lets_the_step_go_on_once(waiting: Run, dave: Any) -> None:
    address = reverse("run-signal", args=[waiting.pk])
    body = {"name": "goods-in", "payload": '{"order": "A-1"}', "key": "delivery 7", "reason": "They called"}
    assert browser(dave).post(address, body, follow=True).content.decode().count("goes on") == 1
    waiting.refresh_from_db()
    assert (waiting.state, step(waiting, "later").answer) == ("done", {"order": "A-1"})
    again = browser(dave).post(address, body, follow=True).content.decode()
    assert "had come already" in again
    assert Signal.objects.count() == 1
    assert "Taken in the last 7 days" in page(dave)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"name": "rain"}, 422),
        ({"payload": "[1]"}, 422),
        ({"payload": "{"}, 422),
        ({"key": ""}, 422),
        ({"reason": "no"}, 422),
        pytest.param({"payload": "[" * 200_000}, 422, id="too deep"),
    ],
)
def test_what_makes_no_sense_is_not_sent_and_says_so(waiting: Run, dave: Any, wrong: Any, status: int) -> None:
    body = {"name": "goods-in", "payload": "", "key": "delivery 7", "reason": "They called", **wrong}
    answer = browser(dave).post(reverse("run-signal", args=[waiting.pk]), body)
    assert answer.status_code == status
    assert "Nothing was sent" in answer.content.decode()
    assert not Signal.objects.exists()


def test_a_signal_that_came_early_waits_for_its_step(clerk: Any, alice: Any, bob: Any, dave: Any) -> None:
    works_first(alice, bob)
    send(alice, begun(alice), order="<b>A-1</b>")
    shown = page(dave)
    assert "Signals that wait for a step" in shown
    assert "Order &lt;b&gt;A-1&lt;/b&gt;" in shown


def test_the_page_costs_the_same_for_one_and_for_many(
    clerk: Any, alice: Any, bob: Any, dave: Any, django_assert_max_num_queries: Any
) -> None:
    waits(alice, bob)
    for number in range(6):
        begun(alice, key=f"run-{number}")
    client = browser(dave)
    client.get(reverse("signals"))
    with django_assert_max_num_queries(12):
        client.get(reverse("signals-parts"))
