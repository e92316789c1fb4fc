"""What makes the ledger append-only for every role and tool, and fills the queue of the sequencer.

All triggers are ENABLE ALWAYS: ``session_replication_role = replica`` does not switch them off.
"""

from __future__ import annotations

from django.db import migrations

from audit.services import privileges

GUARDED = ("audit_event", "audit_payload", "audit_position")

FUNCTIONS = """
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % was refused: the ledger is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'Record a new event that says what changed.';
END $$;

-- Nobody can back-date an event.
CREATE FUNCTION audit_stamp_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.occurred_at := clock_timestamp();
    RETURN NEW;
END $$;

-- With the owner's rights, so that the application can neither add to the queue nor take from it.
CREATE FUNCTION audit_queue_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO audit_pendingevent (event_id) VALUES (NEW.id);
    RETURN NULL;
END $$;

-- An event leaves the queue only together with receiving its position.
CREATE FUNCTION audit_keep_pending() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM gone WHERE NOT EXISTS
               (SELECT 1 FROM audit_position p WHERE p.event_id = gone.event_id)) THEN
        RAISE EXCEPTION 'Taking events from the queue without a position was refused'
            USING ERRCODE = 'insufficient_privilege', HINT = 'Only the sequencer takes events from the queue.';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER audit_event_stamp BEFORE INSERT ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_stamp_event();
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_stamp;
CREATE TRIGGER audit_event_queue AFTER INSERT ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_queue_event();
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_queue;
CREATE TRIGGER audit_pendingevent_keep AFTER DELETE ON audit_pendingevent
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION audit_keep_pending();
ALTER TABLE audit_pendingevent ENABLE ALWAYS TRIGGER audit_pendingevent_keep;
CREATE TRIGGER audit_pendingevent_append_only BEFORE UPDATE OR TRUNCATE ON audit_pendingevent
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_pendingevent ENABLE ALWAYS TRIGGER audit_pendingevent_append_only;
-- Every row of the queue is deleted soon after: clean it by count, not by share of a table that is empty.
ALTER TABLE audit_pendingevent SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
"""

REMOVE_FUNCTIONS = """
DROP TRIGGER audit_pendingevent_append_only ON audit_pendingevent;
DROP TRIGGER audit_pendingevent_keep ON audit_pendingevent;
DROP TRIGGER audit_event_queue ON audit_event;
DROP TRIGGER audit_event_stamp ON audit_event;
DROP FUNCTION audit_keep_pending();
DROP FUNCTION audit_queue_event();
DROP FUNCTION audit_stamp_event();
DROP FUNCTION audit_refuse_change();
"""


def guard(table: str) -> str:
    return f"""
        CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
        ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only;
    """


def restrict_ledger(apps, schema_editor):
    privileges.restrict_ledger(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunSQL(FUNCTIONS, REMOVE_FUNCTIONS),
        *[
            migrations.RunSQL(guard(table), f"DROP TRIGGER {table}_append_only ON {table};")
            for table in GUARDED
        ],
        migrations.RunPython(restrict_ledger, migrations.RunPython.noop),
    ]
