"""Numbered events become leaves of a signed tree that anybody can check."""

from __future__ import annotations

import psycopg
import pytest

from audit import envelope, notes
from audit.merkle import Growth, Tree
from audit.models import Checkpoint as CheckpointRow
from audit.models import Leaf
from audit.services import stored_tree
from audit.services.sealing import Forked, Sealer, SignedBefore
from audit.services.verifying import verify_database
from audit.standalone import verify_ledger as outside

SIGNER = notes.Signer.fresh("example.com/ledger")


@pytest.fixture
def sealer(tmp_path):
    return Sealer(lambda: [SIGNER], SignedBefore(tmp_path / "ledger.key.last"))


def test_what_is_numbered_is_sealed_under_a_signed_checkpoint(live_db, record, number, seal, sealer):
    for payload in (None, {"a": 1.5, "b": "ü"}, {"n": 2**60}):
        record(payload=payload)
    number()
    assert seal(sealer) == 3
    row = CheckpointRow.objects.get()
    checkpoint = outside.Checkpoint.parse(row.note)
    assert checkpoint.note.signed_by([SIGNER.verifier]) == [SIGNER.verifier]
    assert (checkpoint.size, checkpoint.root) == (3, bytes(row.root))
    leaves = [bytes(leaf.leaf_hash) for leaf in Leaf.objects.order_by("index")]
    for index, leaf in enumerate(leaves):
        proof = stored_tree.tree().inclusion(index, 3)
        assert outside.is_included(leaf, index, 3, checkpoint.root, proof)


def test_a_restored_database_is_not_signed_for(live_db, record, number, seal, sealer, tmp_path):
    record()
    number()
    seal(sealer)
    kept = tmp_path / "ledger.key.last"
    text = outside.checkpoint_text(SIGNER.name, 7, b"\1" * 32)
    kept.write_text(text + "\n" + SIGNER.sign(text))
    record()
    number()
    sealer.forget()
    with pytest.raises(Forked, match="restored to an older state"):
        seal(sealer)
    assert Leaf.objects.count() == 1


EVENT = (
    "INSERT INTO audit_event (id, verb, actor_kind, actor_id, actor_label, subject_kind, subject_id,"
    " subject_label, agent_id, action_id, run_id, system_id, department_id, correlation_id, decision, code,"
    " sentence, reason{}) VALUES (gen_random_uuid(), 'tests.thing_done', 'system', 'x', '', 't.t', '', '', '',"
    " '', '', '', '', '', '', '', 'Done.', ''{}) RETURNING id"
)


def test_nothing_that_a_writer_can_write_stops_sealing(live_db, record, number, seal, sealer):
    with live_db.connect("app") as app:
        for data in ("1e100000", "[" * 3000 + "]" * 3000, '{"a": 0.10000000000000000000000001}', '"x"', "[1]"):
            (event,) = app.execute(EVENT.format("", "")).fetchone()
            app.execute("INSERT INTO audit_payload (event_id, data) VALUES (%s, %s)", [event, data])
        for column, value in (
            ("risk", "'1'::jsonb"),
            ("risk", "'[{}]'::jsonb"),
            ("risk", """'{"a": {"b": 1e400}}'::jsonb"""),
            ("words_salt", "''::bytea"),
        ):
            with pytest.raises(psycopg.errors.CheckViolation), app.transaction():
                app.execute(EVENT.format(f", {column}", f", {value}"))
        (event,) = app.execute(EVENT.format("", "")).fetchone()
        with pytest.raises(psycopg.errors.CheckViolation), app.transaction():
            app.execute("INSERT INTO audit_payload (event_id, data, salt) VALUES (%s, '{}', '')", [event])
    number()
    assert seal(sealer) == 6
    report = verify_database(keys=[SIGNER.verifier])
    assert (report["ok"], report["events_checked"]) == (True, 6)


def test_a_tree_grown_in_any_steps_is_the_tree():
    leaves = [outside.leaf_hash(b"%d" % at) for at in range(70_000)]
    tiles: dict[tuple[int, int], bytes] = {}
    growth = Growth()
    for at in range(0, len(leaves), 977):
        tiles.update({(level, index): hashes for level, index, hashes in growth.add(leaves[at : at + 977])})
    edges = {(level, growth.size >> 8 * (level + 1)): b"".join(edge) for level, edge in enumerate(growth.edges)}
    tree = Tree(lambda level, index: tiles.get((level, index)) or edges[level, index])
    assert tree.root(growth.size) == growth.root()
    for old in (0, 1, 255, 256, 257, 4096, 65_536, 65_537, 69_999, 70_000):
        proof = tree.consistency(old, growth.size)
        assert outside.is_consistent(old, tree.root(old), growth.size, growth.root(), proof)
        if old:
            assert outside.is_included(
                leaves[old - 1], old - 1, growth.size, growth.root(), tree.inclusion(old - 1, growth.size)
            )


def test_an_envelope_tells_no_words():
    assert "sentence" not in envelope.COLUMNS
