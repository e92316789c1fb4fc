"""Mail about the employment of an agent: who stands in, who must confirm, and who is to know."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent, User
from agents.services import people, probation
from tests.workflows.notices.post_office import text_of
from workflows.notices import services
from workflows.staffing.services import sweep_employment

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]
WHY = "Because the test says so"


def told(office: Any) -> list[tuple[str, str]]:
    services.tell()
    return [(mail["To"], mail["Subject"]) for mail in office.mails]


def test_the_deputy_hears_that_the_sponsor_has_left(
    office: Any, clerk: Agent, alice: Any, bob: Any, admin_user: Any, client: Any
) -> None:
    Agent.objects.filter(pk=clerk.pk).update(deputy=bob)
    person = User.objects.get(pk=alice.pk)
    people.update_person(
        actor=admin_user.as_actor(), person=person, changes={"is_active": False}, reason="Left <b>us</b>"
    )
    ((to, subject),) = told(office)
    assert to == "bob@northwind.example"
    assert subject.endswith("Answer for Robo: its sponsor has left")
    (mail,) = office.mails
    (link,) = [word for word in text_of(mail).split() if "/inbox/work/" in word]
    client.force_login(bob)
    assert client.get(link.partition("8000")[2]).url == f"/agents/{clerk.pk}/life/"


def test_the_sponsor_hears_that_it_is_to_be_confirmed(office: Any, clerk: Agent, alice: Any) -> None:
    Agent.objects.filter(pk=clerk.pk).update(attest_by=timezone.now().date() + timedelta(days=3))
    sweep_employment()
    ((to, subject),) = told(office)
    assert to == "alice@northwind.example"
    assert "Confirm that Robo is still needed" in subject


def test_the_sponsor_hears_that_somebody_put_it_back(office: Any, clerk: Agent, dave: Any) -> None:
    probation.demote_agent(actor=dave.as_actor(), agent=clerk, to="read_only", reason=WHY)
    ((to, subject),) = told(office)
    assert to == "alice@northwind.example"
    assert subject.endswith("Robo was put back")
