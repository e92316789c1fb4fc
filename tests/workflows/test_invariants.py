"""The invariants must see what breaks them: in one world, row after row is bent and put back."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from audit.registry import Invariant, register_invariants, registered_invariants
from tests.harness import superuser
from tests.workflows.conftest import ask, hold_above, limit
from tests.workflows.test_runs import claim, letters
from tests.workflows.test_runs_frames import WORK, give_up, publish
from workflows.actions.models import Action
from workflows.actions.selectors import violations
from workflows.actions.services import run_action
from workflows.approvals.services import cast_vote
from workflows.runs import services
from workflows.runs.models import Timer
from workflows.tasks import services as tasks

ANOTHER_CALL = """
    INSERT INTO connectors_call SELECT (c).* FROM (
        SELECT jsonb_populate_record(c, jsonb_build_object('id', gen_random_uuid(),
            'authorization_id', NULL)) AS c FROM connectors_call c WHERE purpose = 'execute') AS copy
"""
A_STOP = """
    INSERT INTO agents_stop (id, scope_kind, scope_id, scope_label, stage, version, reason, raised_by_kind,
        raised_by_ref, raised_by, raised_at, lifted_by_kind, lifted_by_ref, lifted_by, lift_reason)
    SELECT gen_random_uuid(), 'agent', agent_id::text, '', 'stop', 1, 'x', '', '', 'x',
        dispatched_at - interval '1 minute', '', '', '', '' FROM actions_action WHERE state = 'confirmed'
"""
A_THROTTLE = """
    INSERT INTO agents_throttle (id, name, scope_kind, scope_id, scope_label, {}, is_enabled, in_force_since,
        created_at)
    SELECT gen_random_uuid(), 'x', 'system', o.system_id::text, '', {}, true, now() - interval '1 day', now()
      FROM connectors_operation o WHERE o.code = 'fake.invoice.post'
"""
ANOTHER_ROW = (
    "INSERT INTO {0} SELECT (r).* FROM (SELECT jsonb_populate_record(r, {1}) AS r FROM {0} r {2}) AS copy"
)
ANOTHER_STEP = ANOTHER_ROW.format(
    "runs_step",
    """jsonb_build_object('id', gen_random_uuid(), 'task_id', NULL, 'action_id', NULL, 'generation', {})""",
    "WHERE node = 'left'",
)
# Used twice as it says, by nobody; ended before anything was done.
A_STANDING = """
    INSERT INTO actions_standingapproval (id, agent_id, operation_id, revision, binding, lines, condition,
        words, most_uses, used, spent_minor, starts_at, until, quorum, modelled_on_id, granted_by_id,
        agreed_by_id, reason, revoked_at, revoked_by_id, revoke_reason)
    SELECT gen_random_uuid(), a.agent_id, a.operation_id, 1, '', '[]', '', 'x', 3, 2, 0,
        now() - interval '2 days', now() - interval '1 day', 1, a.approval_id,
        (SELECT id FROM agents_user WHERE username = 'alice'),
        (SELECT id FROM agents_user WHERE username = 'bob'), 'x', NULL, NULL, ''
      FROM actions_action a WHERE a.approval_id IS NOT NULL LIMIT 1
"""
BOB = "(SELECT id FROM agents_user WHERE username = 'bob')"
GUARDED = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgenabled = 'A'"
OF_A_DONE_RUN = "run_id IN (SELECT id FROM runs_run WHERE state = 'done')"
A_DONE_STEP = "(SELECT id FROM runs_step WHERE state = 'done' LIMIT 1)"

# As if somebody had written it with the rights of the owner: it is said to be done, and was never asked for.
ANOTHER_ACTION = ANOTHER_ROW.format(
    "actions_action",
    "jsonb_build_object('id', gen_random_uuid(), 'approval_id', NULL, 'standing_id', NULL, 'replaces_id', NULL,"
    " 'edited_by_id', NULL)",
    "WHERE state = 'confirmed' AND replaces_id IS NULL LIMIT 1",
)
WITHOUT_AUTHORIZATION = """
    ALTER TABLE connectors_call DROP CONSTRAINT call_executes_by_authorization_only;
    UPDATE connectors_call SET authorization_id = NULL WHERE purpose = 'execute'
"""

# Each invariant, and statements after which it does not hold. Together they try every query of every sentence.
A_LEAF = "INSERT INTO audit_leaf (index, leaf_hash, words_commitment)"
BENT = [
    ("I1", "UPDATE approvals_approval SET used_at = NULL"),
    ("I1", "UPDATE connectors_call SET action_id = 'nobody'"),
    ("I1", "UPDATE actions_action SET arguments_digest = repeat('0', 64)"),
    ("I1", "DELETE FROM audit_event WHERE verb = 'actions.action_authorized'"),
    ("I1", WITHOUT_AUTHORIZATION),
    ("I1", ANOTHER_ACTION),
    ("I1", "UPDATE actions_action SET authorization_id = gen_random_uuid() WHERE state = 'confirmed'"),
    ("I1", "DELETE FROM connectors_call; UPDATE approvals_approval SET used_at = NULL"),
    (
        "I1",
        "DELETE FROM connectors_call; DELETE FROM approvals_approval;"
        "UPDATE actions_action SET approval_id = NULL WHERE approval_id IS NOT NULL",
    ),
    ("I2", "DELETE FROM audit_event WHERE decision <> ''"),
    ("I2", "DELETE FROM audit_event WHERE decision <> '' AND subject_kind = 'actions.action'"),
    ("I2", "DELETE FROM audit_event WHERE verb = 'actions.action_held'"),
    ("I2", "DELETE FROM audit_event WHERE verb = 'approvals.approval_approved'"),
    ("I2", ANOTHER_ACTION),
    ("I2", "DELETE FROM audit_event WHERE verb = 'approvals.vote_cast'"),
    ("I3", "DELETE FROM audit_event WHERE verb = 'actions.action_dispatched'"),
    ("I4", "ALTER TABLE connectors_call DROP CONSTRAINT call_executes_by_authorization_only;" + ANOTHER_CALL),
    ("I5", A_STOP),
    ("I5", "UPDATE connectors_authorization SET consumed_at = expires_at + interval '1 second'"),
    ("I5", "UPDATE actions_action SET state = 'rejected', outcome = ''"),
    ("I6", "UPDATE agents_measurecounter SET settled = 99"),
    ("I6", "UPDATE agents_reservation SET state = 'released' WHERE state = 'settled'"),
    ("I6", "UPDATE agents_reservation SET state = 'reserved'"),
    ("I6", "UPDATE agents_measure SET unit = 'failures'"),
    ("I7", "UPDATE approvals_approval SET requester_id = (SELECT user_id::text FROM approvals_vote LIMIT 1)"),
    ("I7", "UPDATE approvals_vote SET digest = repeat('0', 64)"),
    ("I7", "DELETE FROM approvals_vote"),
    (
        "I7",
        "UPDATE approvals_vote SET on_behalf_of_id ="
        " (SELECT id FROM agents_user WHERE kind = 'person' AND id <> user_id LIMIT 1)",
    ),
    (
        "I7",
        ANOTHER_ROW.format(
            "approvals_vote",
            "jsonb_build_object('id', gen_random_uuid(), 'on_behalf_of_id', r.user_id, 'user_id',"
            " (SELECT id FROM agents_user WHERE kind = 'person' AND id <> r.user_id LIMIT 1))",
            "",
        ),
    ),
    ("I8", "DELETE FROM audit_event WHERE verb = 'actions.action_confirmed'"),
    ("I8", "DELETE FROM audit_event WHERE verb = 'actions.action_dispatched'"),
    ("I8", ANOTHER_ACTION),
    ("I8", "UPDATE actions_action SET state = 'dispatched', outcome = '', finished_at = NULL"),
    ("I9", "UPDATE tasks_task SET epoch = 0 WHERE state = 'claimed'"),
    ("I9", "UPDATE tasks_task SET epoch = 0 WHERE state = 'done'"),
    ("I9", "UPDATE tasks_task SET lease_until = NULL"),
    ("I10", "DELETE FROM audit_event WHERE verb = 'tasks.task_completed'"),
    ("I10", "UPDATE tasks_task SET state = 'open', closed_at = NULL WHERE state = 'done'"),
    (
        "I11",
        "UPDATE tasks_task SET role_id = NULL, claimed_by_id = NULL, state = 'open', closed_at = NULL;"
        "DELETE FROM tasks_task_candidate_groups; DELETE FROM tasks_task_candidate_users",
    ),
    (
        "I12",
        "UPDATE actions_action SET state = 'in_doubt', outcome = '', finished_at = NULL"
        " WHERE state = 'confirmed'",
    ),
    ("I13", "UPDATE tasks_task SET state = 'done', closed_at = now() WHERE state = 'claimed'"),
    ("I13", "DELETE FROM runs_timer"),
    ("I13", "UPDATE runs_step SET state = 'ready' WHERE state = 'running'"),
    ("I14", "UPDATE runs_step SET state = 'done', is_parked = false, finished_at = now()"),
    ("I14", "UPDATE runs_step SET is_parked = false"),
    ("I14", "DELETE FROM tasks_task WHERE kind = 'incident'"),
    ("I14", "UPDATE runs_run SET state = 'running' WHERE state = 'incident'"),
    ("I15", f"UPDATE runs_step SET state = 'running', finished_at = NULL WHERE {OF_A_DONE_RUN}"),
    ("I15", f"UPDATE runs_frame SET is_closed = false WHERE {OF_A_DONE_RUN}"),
    ("I15", "UPDATE runs_run SET state = 'cancelled', finished_at = now() WHERE state = 'incident'"),
    ("I16", "DELETE FROM audit_event WHERE verb = 'runs.run_started'"),
    ("I16", "DELETE FROM audit_event WHERE verb = 'runs.run_finished'"),
    ("I16", "UPDATE runs_run SET state = 'running', finished_at = NULL WHERE state = 'done'"),
    ("I16", "UPDATE runs_step SET state = 'skipped' WHERE kind = 'end'"),
    (
        "I17",
        "INSERT INTO runs_ready (step_id, priority, not_before)"
        f" SELECT {A_DONE_STEP}, 3, now() - interval '1 hour'",
    ),
    (
        "I17",
        "UPDATE runs_step SET state = 'done', finished_at = now() WHERE id IN (SELECT step_id FROM runs_timer);"
        "UPDATE runs_timer SET fire_at = now() - interval '1 hour'",
    ),
    ("I18", "UPDATE runs_frame SET arrived = 2 WHERE arrived = 1"),
    ("I18", "UPDATE runs_item SET how = 'dead'"),
    ("I18", "DELETE FROM runs_item WHERE index = 1"),
    ("I19", "ALTER TABLE runs_step DROP CONSTRAINT runs_step_once;" + ANOTHER_STEP.format("generation")),
    ("I19", ANOTHER_STEP.format("generation + 1")),
    ("I20", "UPDATE actions_action SET state = 'failed', outcome = '' WHERE state = 'confirmed'"),
    (
        "I20",
        "UPDATE actions_idempotencykey SET agent_id = gen_random_uuid(), key = 'step:x'"
        " WHERE action_id IN (SELECT id FROM actions_action WHERE state = 'confirmed')",
    ),
    ("I21", "UPDATE tasks_task SET state = 'failed' WHERE state = 'done'"),
    ("I21", "UPDATE runs_step SET state = 'skipped', finished_at = now() WHERE state = 'running'"),
    ("I23", f"UPDATE runs_step SET undone = 'running' WHERE id = {A_DONE_STEP}"),
    ("I23", f"UPDATE runs_step SET undoes_id = {A_DONE_STEP} WHERE state = 'running'"),
    ("I23", f"UPDATE runs_step SET undone = 'done' WHERE id = {A_DONE_STEP}"),
    ("I23", "UPDATE runs_run SET is_compensating = true WHERE state = 'running'"),
    (
        "I24",
        A_THROTTLE.format("most_at_once", "1")
        + "; UPDATE actions_action SET state = 'dispatched', outcome = '', finished_at = NULL"
        " WHERE dispatched_at IS NOT NULL",
    ),
    (
        "I24",
        A_THROTTLE.format("most, per_seconds", "1, 3600")
        + "; UPDATE actions_action SET took_turn = true WHERE dispatched_at IS NOT NULL",
    ),
    ("I25", A_STANDING),
    (
        "I25",
        f"{A_STANDING}; UPDATE actions_standingapproval SET used = 1;"
        " UPDATE actions_action SET standing_id = (SELECT id FROM actions_standingapproval), approval_id = NULL"
        " WHERE id = (SELECT id FROM actions_action WHERE dispatched_at IS NOT NULL LIMIT 1)",
    ),
    ("I26", f"UPDATE actions_action SET replaces_id = id, edited_by_id = {BOB}"),
    ("I26", "UPDATE actions_action SET edit_people = (SELECT jsonb_agg(user_id) FROM approvals_vote)"),
    (
        "I26",
        "UPDATE actions_action SET state = 'superseded', outcome = '' WHERE approval_id IS NOT NULL;"
        f" UPDATE actions_action SET edited_by_id = {BOB}, replaces_id ="
        " (SELECT id FROM actions_action WHERE approval_id IS NOT NULL LIMIT 1)"
        " WHERE id = (SELECT id FROM actions_action WHERE authorization_id IS NOT NULL AND approval_id IS NULL"
        " LIMIT 1)",
    ),
    ("I22", "DELETE FROM audit_pendingevent"),
    (
        "I22",
        "INSERT INTO audit_position (position, event_id) SELECT 2, id FROM audit_event ORDER BY id LIMIT 1",
    ),
    ("I27", f"{A_LEAF} SELECT 5, '', ''"),
    ("I27", f"{A_LEAF} SELECT 0, '', ''"),
    ("I27", f"{A_LEAF} SELECT n, '', '' FROM generate_series(0, 255) n"),
    ("I27", "INSERT INTO audit_checkpoint (tree_size, root, note) VALUES (9, '', '')"),
    ("I27", "INSERT INTO audit_tile (level, index, hashes) VALUES (0, 0, '')"),
]


@pytest.fixture
def world(live_db: Any, clerk: Any, alice: Any, bob: Any, fake: Any, hints: Any) -> Any:
    """A company in which something of everything was done and is under way, and nothing is wrong."""
    limit("per_day", 9)
    question = hold_above(10_000)
    held = ask(clerk, minor=20_000)
    vote = {"verdict": "approve", "reason": "looks right", "digest": held.approval.digest}
    cast_vote(actor=bob.as_actor(), approval_id=held.approval_id, **vote)
    question.delete()
    run_action(action_id=held.pk)
    publish(
        alice,
        bob,
        "all",
        all={"kind": "parallel", "join": "met", "branches": [{"to": "left"}, {"to": "right"}, {"to": "later"}]},
        left={**WORK, "next": "met"},
        right={**letters()["nodes"]["enter"], "next": "met", "refused": "met"},
        later={"kind": "wait", "seconds": 3600, "next": "met"},
        met={"kind": "join", "next": "done"},
    )
    for key in ("first", "second", "third"):
        services.start_run(actor=alice.as_actor(), workflow_code="letters", input={"topic": key}, key=key)
        services.tick()
        action = Action.objects.get(state="authorized")
        run_action(action_id=action.pk)
        services.tick()
        if key == "first":
            task = claim(clerk)
            tasks.complete_task(actor=clerk.user.as_actor(), task_id=task.pk, epoch=task.epoch, answer={})
            Timer.objects.update(fire_at=Now())
            services.sweep_runs()
        elif key == "second":
            give_up(clerk)
    claim(clerk)
    return live_db


def broken(connection: psycopg.Connection[Any], invariant: Invariant, statement: str) -> list[Any]:
    """Return what an invariant finds after a statement that no trigger stops; then nothing has happened."""
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for part in statement.split(";"):
            cursor.execute(part)
        return cursor.execute(invariant.query, []).fetchall()


def test_each_invariant_notices_what_breaks_it(world: Any) -> None:
    assert violations() == []
    known = registered_invariants()
    assert {number for number, _ in BENT} == set(known)
    with superuser(world.name) as connection:
        for (table,) in connection.execute(GUARDED).fetchall():
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        unseen = [(number, bent) for number, bent in BENT if not broken(connection, known[number], bent)]
        assert unseen == []
        call_command("check_invariants")
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE runs_frame SET arrived = 2 WHERE arrived = 1")
    with pytest.raises(CommandError, match="violations"):
        call_command("check_invariants")


def test_a_number_stands_for_one_invariant() -> None:
    with pytest.raises(ValueError, match="I1 is already"):
        register_invariants({"I1": Invariant("Something else.", "SELECT 1")})
