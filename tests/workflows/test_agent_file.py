"""The files of an agent, a role and a system: what they say, to whom, at a cost that does not grow."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from tests.workflows.conftest import ask, hold_above, limit

pytestmark = pytest.mark.django_db


def browser(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content[:500]
    plain = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+", " ", plain)


def file_of(user: Any, agent: Agent) -> str:
    return text_of(browser(user).get(reverse("agent-file", args=[agent.pk])))


def test_the_file_says_who_it_is_and_what_it_may_do(clerk: Agent, alice: Any) -> None:
    hold_above(1_000_000)
    limit("a_day", 20, name="Invoices a day")
    ask(clerk, minor=100)
    ask(clerk, number="RE-2", minor=2_000_000)
    found = file_of(alice, clerk)
    for words in (
        "Robo Bookkeeper, Finance",
        "Posts invoices.",
        "Alice",
        "Asks in some cases",
        "Invoices above 10,000.00 EUR need a person",
        "at most 20 per day",
        "2 used , 18 left",
        "Approvers",
        "too few to say",
        "Nobody has signed it yet.",
    ):
        assert words in found, words
