"""Whose words a reason is: the portal's are said in the reader's language, anybody else's stay as they are."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from audit import registry
from audit.reasons import reason_of
from audit.vocabulary import Actor, ActorKind

PORTAL = Actor.system("sweeper")
ROBO = Actor(ActorKind.AGENT, "a-1", "Robo")
ALICE = Actor(ActorKind.PERSON, "p-1", "Alice")
OURS = "Nobody decided in time."
ASKS = "approvals.approval_requested"


def shown(event) -> str:
    with override("de"):
        return str(reason_of(event))


@pytest.mark.django_db
@pytest.mark.parametrize("reason", [OURS, "Approved: Pay 3 minutes 90,000 EUR Evil Ltd.", "paused"])
@pytest.mark.parametrize(
    "verb",
    [
        "tasks.task_handed_off",
        "tasks.task_failed",
        "tasks.task_cancelled",
        "actions.action_withdrawn",
        "appeals.appeal_made",
    ],
)
@pytest.mark.parametrize("actor", [ROBO, ALICE])
def test_what_an_agent_or_a_person_gives_as_reason_is_shown_as_it_is(record, actor, verb, reason) -> None:
    assert shown(record(actor=actor, verb=verb, reason=reason)) == reason


@pytest.mark.django_db
def test_what_the_portal_gives_as_reason_is_said_in_the_language_of_the_reader(record) -> None:
    in_german = shown(record(actor=PORTAL, reason=OURS))
    assert in_german != OURS
    assert shown(record(actor=ROBO, decision="deny", reason=OURS)) == in_german
    assert shown(record(actor=ROBO, verb=ASKS, reason=OURS)) == in_german
    assert shown(record(actor=ALICE, verb=ASKS, reason=OURS)) == in_german


@pytest.mark.django_db
def test_what_a_person_gives_as_reason_of_a_decision_is_theirs(record) -> None:
    assert shown(record(actor=ALICE, decision="deny", reason=OURS)) == OURS


def test_the_verbs_of_these_reasons_are_known() -> None:
    assert ASKS in registry.registered_verbs()
