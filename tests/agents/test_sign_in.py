"""A person's password can be guessed, unlike an agent's secret: guessing is slow and on record."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from audit.models import Event
from tests.company import PASSWORD

pytestmark = pytest.mark.django_db
FAILED = "agents.sign_in_refused"


def sign_in(username: str, password: str, address: str = "192.0.2.1") -> Any:
    form = {"username": username, "password": password}
    return Client(REMOTE_ADDR=address).post(reverse("admin:login"), form)


def test_guessing_a_password_is_slowed_down_and_recorded(bob: Any) -> None:
    for number in range(10):
        assert "Please enter the correct" in sign_in("bob", f"guess {number}").content.decode()
    assert "Wait a minute" in sign_in("bob", PASSWORD).content.decode()
    assert "Wait a minute" in sign_in("BOB", "guess").content.decode()
    failed = Event.objects.filter(verb=FAILED)
    assert failed.count() == 10
    assert {event.subject_id for event in failed} == {str(bob.pk)}
    assert "192.0.2.1" in failed[0].sentence
    assert sign_in("bob", PASSWORD, "192.0.2.2").status_code == 302


def test_after_the_minute_the_right_password_works(bob: Any) -> None:
    for number in range(10):
        sign_in("bob", f"guess {number}")
    cache.clear()
    assert sign_in("bob", PASSWORD).status_code == 302


def test_a_name_nobody_has_is_not_written_down_and_floods_nothing(db: None) -> None:
    for number in range(15):
        sign_in(f"hunter2-{number}", "x")
    failed = Event.objects.filter(verb=FAILED)
    assert failed.count() == 10
    assert not any("hunter2" in f"{event.sentence} {event.subject_label}" for event in failed)


def test_a_name_that_nobody_has_is_answered_like_one_that_somebody_has(bob: Any) -> None:
    for number in range(11):
        known, unknown = sign_in("bob", f"guess {number}"), sign_in("nobody", f"guess {number}")
        assert ("Wait a minute" in known.content.decode()) == ("Wait a minute" in unknown.content.decode())
