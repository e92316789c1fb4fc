from __future__ import annotations

from typing import Any

import pytest

from audit.selectors import visible_events
from tests.workflows.conftest import ask, hold_above, new_agent
from workflows.actions.selectors import visible_to

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hints")]


def test_the_story_of_an_action_is_for_those_who_may_see_it(
    clerk: Any, alice: Any, bob: Any, carol: Any, mallory: Any
) -> None:
    hold_above(10_000)
    held = ask(clerk, minor=20_000)
    other = new_agent(alice, "other")

    def sees(user: Any) -> bool:
        return visible_events(user).filter(action_id=str(held.pk)).exists()

    assert [sees(user) for user in (clerk.user, alice, bob, carol)] == [True] * 4
    assert [sees(user) for user in (mallory, other.user)] == [False] * 2
    assert visible_to(bob).get() == held
