"""What is asked about a reader is asked once while they look, and each time while anything is changed."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import RequestFactory
from guardian.shortcuts import assign_perm, remove_perm

from agents import policies
from agents.models import Agent, CompanySettings, User
from agents.selectors import authority_snapshot, company_currency
from audit.once import once, one_look
from autonomy.middleware import OneLook


def asked(times: list[int]) -> int:
    times.append(1)
    return len(times)


def test_a_look_asks_once_and_the_next_look_asks_again() -> None:
    times: list[int] = []
    for look in (1, 2):
        with one_look():
            assert [once("key", lambda: asked(times)) for _ in range(3)] == [look] * 3
            assert once("another", lambda: "else") == "else"


def test_outside_of_a_look_it_is_asked_each_time() -> None:
    times: list[int] = []
    with one_look():
        once("key", lambda: asked(times))
    assert [once("key", lambda: asked(times)) for _ in range(2)] == [2, 3]


def test_an_answer_that_fails_is_not_kept() -> None:
    def fails() -> int:
        raise LookupError

    with one_look():
        with pytest.raises(LookupError):
            once("key", fails)
        assert once("key", lambda: 1) == 1


@pytest.mark.parametrize(("method", "times"), [("GET", 1), ("HEAD", 1), ("POST", 2), ("PUT", 2), ("DELETE", 2)])
def test_only_who_looks_is_answered_from_before(method: str, times: int) -> None:
    """What changes anything asks at that moment."""
    asked_for: list[int] = []

    def view(_request: object) -> HttpResponse:
        return HttpResponse(str([once("key", lambda: asked(asked_for)) for _ in range(2)]))

    OneLook(view)(RequestFactory().generic(method, "/"))
    assert len(asked_for) == times


@pytest.mark.django_db
def test_a_right_that_is_taken_away_is_gone_at_the_next_look_and_at_once_for_what_decides(
    robo: Agent, mallory: User
) -> None:
    """Rights on one object and in general, and the account itself."""

    def may() -> bool:
        return policies.may_change_agent(mallory.as_actor(), robo) is None

    assign_perm("agents.change_agent", mallory, robo)
    with one_look():
        assert may()
        remove_perm("agents.change_agent", mallory, robo)
        assert may()
    assert not may()
    with one_look():
        assert not may()
    mallory.user_permissions.add(
        Permission.objects.get(codename="change_agent", content_type__app_label="agents")
    )
    assert may()
    User.objects.filter(pk=mallory.pk).update(is_active=False)
    assert not may()


@pytest.mark.django_db
def test_rights_of_one_object_are_asked_with_two_questions(
    robo: Agent, mallory: User, django_assert_num_queries: object
) -> None:
    names = ["agents.change_agent", "agents.pause_agent", "agents.view_agent", "agents.activate_agent"]
    with one_look():
        mallory.has_perm("agents.change_agent")  # what they hold in general is kept by their account
        with django_assert_num_queries(2):  # type: ignore[operator]
            assert not any(mallory.has_perm(name, robo) for name in names)


@pytest.mark.django_db
def test_authority_that_is_kept_for_everybody_holds_nothing_a_look_was_told_before(robo: Agent) -> None:
    """The currency changes while somebody looks: what they load for all who come after them is the new one."""
    with one_look():
        before = company_currency()
        CompanySettings.objects.filter(pk=1).update(currency="CHF")
        assert company_currency() == before == "EUR"
        assert authority_snapshot().company_currency == "CHF"
    assert authority_snapshot().company_currency == "CHF"


@pytest.mark.django_db
def test_on_what_is_no_record_nobody_holds_a_right(mallory: User) -> None:
    assert not mallory.has_perm("agents.change_agent", object())
