from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from tests.workflows.conftest import ask
from workflows.actions.choices import FINAL, TRANSITIONS, State
from workflows.actions.models import Action
from workflows.actions.services.moving import move


def test_every_state_is_in_the_table_and_every_path_ends() -> None:
    assert set(TRANSITIONS) == set(State)
    reachable, todo = set(), [State.REQUESTED]
    while todo:
        state = todo.pop()
        reachable.add(state)
        todo += [following for following in TRANSITIONS[state] if following not in reachable]
    assert reachable == set(State)
    assert {
        State.DENIED,
        State.REJECTED,
        State.EXPIRED,
        State.WITHDRAWN,
        State.SUPERSEDED,
        State.STOPPED,
        State.CONFIRMED,
        State.FAILED,
    } == FINAL


def test_the_trigger_and_the_code_read_the_same_table() -> None:
    guards = importlib.import_module("workflows.actions.migrations.0004_withdrawn_in_line")
    table = {before.value: {after.value for after in following} for before, following in TRANSITIONS.items()}
    assert {before: set(after) for before, after in guards.TRANSITIONS.items()} == {
        before: after for before, after in table.items() if after
    }


@pytest.mark.django_db
@pytest.mark.parametrize("state", sorted(set(State) - {State.REQUESTED} - set(TRANSITIONS[State.REQUESTED])))
def test_an_action_is_born_as_what_was_decided_and_as_nothing_else(robo: Any, book: Any, state: str) -> None:
    action = ask(robo)
    Action.objects.bulk_create([Action(**_copied(action))])
    with pytest.raises(IntegrityError, match="an action begins as"), transaction.atomic():
        Action.objects.bulk_create([Action(**{**_copied(action), "state": state})])


def _copied(action: Action) -> dict[str, Any]:
    return {one.attname: getattr(action, one.attname) for one in Action._meta.fields if one.name != "id"}


@pytest.mark.django_db
def test_the_code_refuses_a_transition_that_is_not_in_the_table(robo: Any, book: Any) -> None:
    action = ask(robo)
    assert action.state == State.DENIED
    with pytest.raises(RuntimeError, match="is not a transition"):
        move(actor=robo.user.as_actor(), action=action, to=State.AUTHORIZED, code="x", sentence="x")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        "state = 'confirmed'",
        "state = 'held', finished_at = NULL",
        "arguments = '{}'",
        "operation_code = 'fake.other'",
        "amount_minor = 1",
    ],
)
def test_the_database_refuses_to_move_or_rewrite_an_action(robo: Any, book: Any, change: str) -> None:
    action = ask(robo)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE actions_action SET {change} WHERE id = %s", [action.pk])


@pytest.mark.django_db
def test_the_database_refuses_to_forget_an_action(robo: Any, book: Any) -> None:
    action = ask(robo)
    with pytest.raises(IntegrityError), transaction.atomic():
        Action.objects.filter(pk=action.pk).delete()
