"""What an operator says to an agent: it reads it with its work, says that it did, and it is on record."""

from __future__ import annotations

from typing import Any

import pytest

from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.conftest import new_agent, signed_in
from tests.workflows.test_task_api import claim, work
from workflows.tasks import services
from workflows.tasks.models import Instruction

pytestmark = pytest.mark.django_db
MINE = "/api/v1/me/instructions"
WHY = "the supplier called"


def say(person: Any, agent: Any, text: str = "Leave Acme for tomorrow.", **more: Any) -> Instruction:
    return services.instruct_agent(actor=person.as_actor(), agent=agent, text=text, reason=WHY, **more)


def test_the_agent_reads_it_and_says_so(clerk: Any, dave: Any) -> None:
    said = say(dave, clerk, "Leave Acme for tomorrow.\nDo the others first.")
    (shown,) = signed_in(clerk.user).get(MINE).json()["instructions"]
    assert (shown["text"], shown["author"]) == ("Leave Acme for tomorrow.\nDo the others first.", "dave")
    for _ in range(2):
        answer = signed_in(clerk.user).post(f"{MINE}/{said.pk}/read")
        assert (answer.status_code, bool(answer.json()["read_at"])) == (200, True)
    assert signed_in(clerk.user).get(MINE).json()["instructions"] == []
    assert len(signed_in(clerk.user).get(f"{MINE}?all=true").json()["instructions"]) == 1
    verbs = ["tasks.agent_instructed", "tasks.instruction_read"]
    told = Event.objects.filter(verb__in=verbs, agent_id=str(clerk.pk)).order_by("pk")
    assert [event.verb for event in told] == verbs
    assert told[0].reason == WHY
    assert told[0].payload.data["after"] == {"read": False}


def test_what_is_about_a_task_comes_with_it(clerk: Any, dave: Any) -> None:
    work(clerk)
    (task,) = claim(clerk.user)
    say(dave, clerk, task_id=task["id"])
    shown = signed_in(clerk.user).get(f"/api/v1/tasks/{task['id']}").json()
    assert [one["text"] for one in shown["instructions"]] == ["Leave Acme for tomorrow."]


def test_nobody_elses_is_read(clerk: Any, alice: Any, dave: Any) -> None:
    said = say(dave, clerk)
    rival = new_agent(alice, "rival")
    assert signed_in(rival.user).get(MINE).json()["instructions"] == []
    assert signed_in(rival.user).post(f"{MINE}/{said.pk}/read").status_code == 404
    assert signed_in(dave).get(MINE).status_code == 403


def test_who_answers_for_it_and_operators_may_and_nobody_else(clerk: Any, alice: Any, bob: Any) -> None:
    say(alice, clerk)
    for other in (bob, clerk.user):
        with pytest.raises(Refusal):
            say(other, clerk)


@pytest.mark.parametrize(
    ("text", "more", "code"),
    [
        ("  ", {}, "instruction_invalid"),
        ("turn\u202eround", {}, "instruction_invalid"),
        ("x" * 4001, {}, "instruction_invalid"),
        ("Go on.", {"task_id": "00000000-0000-0000-0000-000000000000"}, "task_not_its"),
    ],
)
def test_what_cannot_be_said(clerk: Any, dave: Any, text: str, more: Any, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        say(dave, clerk, text, **more)
    assert refused.value.code == code


def test_an_agent_that_reads_nothing_is_not_buried(clerk: Any, dave: Any) -> None:
    for _ in range(20):
        say(dave, clerk)
    with pytest.raises(Refusal) as refused:
        say(dave, clerk)
    assert refused.value.code == "too_many_instructions"
