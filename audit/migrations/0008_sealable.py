"""What a writer with a connection of its own could write, and nobody could seal or show: it is refused.

An event whose salt is empty looks like one whose words were erased, and a payload likewise.
"""

from __future__ import annotations

from django.db import migrations

SEALABLE = """
CREATE OR REPLACE FUNCTION audit_stamp_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.occurred_at := clock_timestamp();
    IF octet_length(NEW.words_salt) <> 32 THEN
        RAISE EXCEPTION 'INSERT on audit_event was refused: a salt has 32 bytes'
            USING ERRCODE = 'check_violation', HINT = 'Leave words_salt out: the database makes it.';
    END IF;
    IF NEW.risk <> '{}' AND (jsonb_typeof(NEW.risk) <> 'object'
                             OR jsonb_path_exists(NEW.risk, 'strict $.* ? (@.type() != "string")', '{}', true)) THEN
        RAISE EXCEPTION 'INSERT on audit_event was refused: risk is texts by name'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION audit_refuse_late_payload() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM audit_position p WHERE p.event_id = NEW.event_id) THEN
        RAISE EXCEPTION 'INSERT on % was refused: the event is in the ledger already', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege', HINT = 'A payload is written with its event.';
    END IF;
    IF octet_length(NEW.salt) <> 32 THEN
        RAISE EXCEPTION 'INSERT on % was refused: a salt has 32 bytes', TG_TABLE_NAME
            USING ERRCODE = 'check_violation', HINT = 'Leave salt out: the database makes it.';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_reading_indexes")]
    operations = [migrations.RunSQL(SEALABLE, migrations.RunSQL.noop)]
