"""Whose standing approvals somebody may list, and no other agent, is what the filter of that list offers."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from audit import offers
from tests.company import new_agent, person
from tests.workflows.test_standing import erin, held, standing
from workflows.actions.models import StandingApproval
from workflows.actions.selectors import agents_of_standing

__all__ = ["erin", "held", "standing"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("holds", "hints")]


def listed(user: Any, **asked: str) -> tuple[str, int]:
    client = Client()
    client.force_login(user)
    answer = client.get(reverse("admin:actions_standingapproval_changelist"), asked)
    assert answer.status_code == 200
    return answer.content.decode(), len(answer.context_data["cl"].result_list)


def found(user: Any) -> list[str]:
    client = Client()
    client.force_login(user)
    return [one["label"] for one in client.get(reverse("choices-standing-agents")).json()["found"]]


@pytest.mark.parametrize("most", [0, 100], ids=["box", "list"])
def test_who_granted_one_finds_its_agent_and_no_other(
    standing: StandingApproval, bob: Any, alice: Any, clerk: Agent, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    new_agent(alice, "hidden")
    monkeypatch.setattr(offers, "MOST_LISTED", most)
    bob.groups.clear()
    shown = f"{clerk.name} ({clerk.code})"
    assert found(bob) == [shown]
    page, rows = listed(bob)
    assert (rows, "Hidden" in page) == (1, False)
    page, rows = listed(bob, agent__called=clerk.code)
    assert rows == 1
    page, rows = listed(bob, agent__called="hid")
    assert (rows, "Hidden" in page) == (0, False)


def test_who_reads_them_by_right_and_who_reads_agents(
    standing: StandingApproval, alice: Any, mallory: Any, clerk: Agent
) -> None:
    new_agent(alice, "other")
    assert set(agents_of_standing(alice).values_list("code", flat=True)) == {clerk.code, "other"}
    assert not agents_of_standing(mallory).exists()
    reader = person("fay", "everybody")
    reader.user_permissions.add(Permission.objects.get(codename="view_standingapproval"))
    assert list(agents_of_standing(reader)) == [clerk]
