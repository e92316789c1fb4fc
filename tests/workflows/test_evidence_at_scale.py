"""A period with 100,000 actions and 300,000 entries of the ledger is read as it goes, not held in memory."""

from __future__ import annotations

import resource
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from audit import notes, services
from audit.services.evidence import build_pack, wanted
from audit.services.sealing import Sealer, SignedBefore
from tests.audit.conftest import role
from tests.workflows.conftest import TESTS, ask

ACTIONS = 100_000
# Of what was there already, a row each: ids of the same millisecond, so that they are of the same month.
COPIES = """
INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object('id',
       (substr(replace(t.id::text, '-', ''), 1, 12) || '7' || substr(md5(t.id::text || n), 1, 3) || '8'
        || substr(md5(t.id::text || n), 4, 15))::uuid))).*
  FROM {table} t, generate_series(1, %s) n {where}
"""

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]


def grown(live_db: Any, action: Any) -> None:
    """Make many of the one action and of the entries about it, as the owner of the tables."""
    with psycopg.connect(live_db.url("owner")) as connection:
        connection.execute("ALTER TABLE actions_action DISABLE TRIGGER USER")
        connection.execute(COPIES.format(table="actions_action", where=""), [ACTIONS - 1])
        where = f"WHERE t.action_id = '{action.pk}'"
        connection.execute(COPIES.format(table="audit_event", where=where), [3 * ACTIONS])


def test_it_is_built_in_bounded_memory(live_db: Any, clerk: Any, tmp_path: Any, record_property: Any) -> None:
    grown(live_db, ask(clerk))
    signer = notes.Signer.fresh("example.com/ledger")
    sealer = Sealer(lambda: [signer], SignedBefore(tmp_path / "ledger.key.last"))
    with role(live_db, "sequencer"):
        while services.sequence_pending(limit=5_000):
            pass
        while sealer.seal():
            pass
    today = timezone.localdate()
    asked = wanted(today, today)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = timezone.now()
    built = build_pack(actor=TESTS, wanted=asked, out=tmp_path / "pack.zip")
    seconds = (timezone.now() - started).total_seconds()
    grew = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert built.counts["numbers.every"] == ACTIONS
    assert built.counts["numbers.actions"] == 1
    record_property("figures", f"{seconds:.0f} s, {grew:.0f} MB more, {sum(built.counts.values()):,} rows")
    assert grew < 300
