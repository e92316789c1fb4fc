"""A ledger from before there were seals keeps every event and payload, and can be sealed afterwards."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest

from autonomy.launch import roles
from tests import harness

EVENTS = """
INSERT INTO audit_event (id, verb, actor_kind, actor_id, actor_label, subject_kind, subject_id, subject_label,
                         agent_id, action_id, run_id, system_id, department_id, correlation_id, decision, code,
                         sentence, reason)
SELECT gen_random_uuid(), 'tests.thing_done', 'system', 'x', '', 'tests.thing', n::text, '', '', '', '', '', '',
       '', '', '', 'Thing ' || n || ' was done.', '' FROM generate_series(1, 50) AS n
"""

# Migrating leaves events of its own, of the rights that it brings.
MINE = """
SELECT p.event_id, p.data, p.salt FROM audit_payload p JOIN audit_event e ON e.id = p.event_id
 WHERE e.subject_kind = 'tests.thing' ORDER BY 1
"""
SALTS = "SELECT words_salt FROM audit_event WHERE subject_kind = 'tests.thing'"
BACK_THEN = """
import django
django.setup()
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
MigrationExecutor(connection).migrate([("audit", "0003_queue_by_statement")])
"""


@pytest.mark.full
@pytest.mark.timeout(900)
def test_an_older_ledger_keeps_what_it_has():
    name = f"aos_copy_{harness.WORKER}_upgrade"
    with harness.superuser() as server:
        harness._drop(server, name)
        roles.ensure_database(server, name, harness.ROLES)
    try:
        run(name, "-c", BACK_THEN)
        with psycopg.connect(harness.url("owner", name), autocommit=True) as owner:
            owner.execute(EVENTS)
            owner.execute("INSERT INTO audit_payload (event_id, data) SELECT id, '{\"a\": 1}' FROM audit_event")
            before = owner.execute("SELECT event_id, data FROM audit_payload ORDER BY 1").fetchall()
        run(name, "manage.py", "migrate", "--verbosity", "0")
        with psycopg.connect(harness.url("app", name), autocommit=True) as app:
            after = app.execute(MINE).fetchall()
            assert [row[:2] for row in after] == before
            salts = [bytes(row[2]) for row in after]
            salts += [bytes(row[0]) for row in app.execute(SALTS).fetchall()]
            assert len(set(salts)) == 100
            assert {len(salt) for salt in salts} == {32}
    finally:
        with harness.superuser() as server:
            harness._drop(server, name)


def run(name, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=harness.ROOT,
        env={
            **os.environ,
            **harness.environment(name),
            "DATABASE_ROLE": "owner",
            "DJANGO_SETTINGS_MODULE": "autonomy.settings",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
