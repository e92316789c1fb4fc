"""Many at once contest, and many appeals at once make one proposal."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.company import new_agent
from tests.workflows.conftest import ask, grant, hold_above
from tests.workflows.test_concurrency import at_once
from workflows.appeals.models import Appeal, Proposal
from workflows.appeals.services import contest_action

pytestmark = pytest.mark.usefixtures("live_db", "hints")


def test_one_denial_is_contested_once_and_many_appeals_make_one_proposal(
    clerk: Any, book: Any, alice: Any, settings: Any
) -> None:
    settings.APPEALS_PER_DAY = 6
    hold_above(
        10_000, verdict="deny", sentence="", condition="", field="amount", comparison="above", value="100.00"
    )
    other = new_agent(alice, "second")
    grant(other, book["post"])
    denied = [
        (agent, ask(agent, number=f"RE-{number}", minor=10_400))
        for agent in (clerk, other)
        for number in range(8)
    ]

    def contest(index: int) -> str:
        agent, action = denied[index % len(denied)]
        contest_action(actor=agent.user.as_actor(), action_id=action.pk, reason="The order says so")
        return "contested"

    answers = Counter(at_once(contest, 32, threads=8))
    assert answers["contested"] == Appeal.objects.count() == 12
    assert set(answers) == {"contested", "already_contested", "too_many_appeals"}
    assert Proposal.objects.get().cases == 12
