"""The invariants must see what breaks them: the guards are lifted, then rows bent."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.workflows.conftest import ask, hold_above, limit
from workflows.actions.selectors import violations
from workflows.actions.services import run_action

pytestmark = pytest.mark.usefixtures("hints")


def bend(live_db: Any, *statements: str) -> set[str]:
    """Change rows as the owner, with every trigger off; return which invariants notice."""
    from tests.harness import superuser

    with superuser(live_db.name) as connection:
        connection.execute("SET session_replication_role = replica")
        tables = "actions_action", "approvals_approval", "approvals_vote", "connectors_call", "audit_event"
        for table in (*tables, "audit_payload", "connectors_authorization"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            connection.execute(statement)
    return {violation.invariant for violation in violations()}


@pytest.fixture
def done(live_db: Any, clerk: Any, bob: Any, fake: Any) -> Any:
    """One action that was held, approved and done, with a limit, and nothing to complain about."""
    from workflows.approvals.services import cast_vote

    hold_above(10_000)
    limit("per_day", 1)
    held = ask(clerk, minor=20_000)
    cast_vote(
        actor=bob.as_actor(),
        approval_id=held.approval_id,
        verdict="approve",
        reason="looks right",
        digest=held.approval.digest,
    )
    action = run_action(action_id=held.pk)
    assert action.state == "confirmed"
    assert violations() == []
    call_command("check_invariants")
    return action


@pytest.mark.parametrize(
    ("invariant", "statement"),
    [
        ("I1", "UPDATE approvals_approval SET used_at = NULL"),
        ("I1", "UPDATE connectors_call SET action_id = 'nobody'"),
        ("I1", "UPDATE actions_action SET arguments_digest = repeat('0', 64)"),
        ("I1", "DELETE FROM audit_event WHERE verb = 'actions.action_authorized'"),
        ("I2", "DELETE FROM audit_event WHERE decision <> ''"),
        ("I2", "DELETE FROM audit_event WHERE verb = 'approvals.vote_cast'"),
        ("I3", "DELETE FROM audit_event WHERE verb = 'actions.action_dispatched'"),
        ("I5", "UPDATE connectors_authorization SET consumed_at = expires_at + interval '1 second'"),
        ("I5", "UPDATE actions_action SET state = 'rejected', outcome = ''"),
        ("I6", "UPDATE agents_measurecounter SET settled = 2"),
        ("I6", "UPDATE agents_reservation SET state = 'released'"),
        ("I7", "UPDATE approvals_approval SET requester_id = (SELECT user_id::text FROM approvals_vote)"),
        ("I7", "UPDATE approvals_vote SET digest = repeat('0', 64)"),
        ("I7", "DELETE FROM approvals_vote"),
        ("I8", "DELETE FROM audit_event WHERE verb = 'actions.action_confirmed'"),
        (
            "I8",
            "UPDATE actions_action SET state = 'dispatched', outcome = '', finished_at = NULL",
        ),
    ],
)
@pytest.mark.full
def test_what_breaks_an_invariant_is_noticed(live_db: Any, done: Any, invariant: str, statement: str) -> None:
    assert invariant in bend(live_db, statement)
    with pytest.raises(CommandError):
        call_command("check_invariants")


def test_a_call_under_a_stop_and_a_second_call_are_noticed(live_db: Any, done: Any) -> None:
    second = """
        INSERT INTO connectors_call SELECT (c).* FROM (
            SELECT jsonb_populate_record(c, jsonb_build_object('id', gen_random_uuid(),
                'authorization_id', NULL)) AS c FROM connectors_call c WHERE purpose = 'execute') AS copy
    """
    stop = """
        INSERT INTO agents_stop (id, scope_kind, scope_id, scope_label, reason, raised_by_kind, raised_by_ref,
            raised_by, raised_at, lifted_by_kind, lifted_by_ref, lifted_by, lift_reason)
        SELECT gen_random_uuid(), 'agent', agent_id::text, '', 'x', '', '', 'x',
            dispatched_at - interval '1 minute', '', '', '', '' FROM actions_action
    """
    drop = "ALTER TABLE connectors_call DROP CONSTRAINT call_executes_by_authorization_only"
    assert {"I1", "I4", "I5"} <= bend(live_db, drop, second, stop)
