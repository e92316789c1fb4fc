"""What a writer with a connection of its own could write, and nobody could seal or show: it is refused.

An event whose salt is empty looks like one whose words were erased, and a payload likewise. What is erased is told
of leaf by leaf in the event of the erasure, as the verifier reads it.
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

# As before, and of nothing that its event does not name.
ERASE = """
CREATE OR REPLACE FUNCTION audit_erase(told_by uuid, wanted uuid[], which text) RETURNS integer LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    erased integer;
    told int8multirange;
BEGIN
    IF which NOT IN ('data', 'words') OR which IS NULL THEN
        RAISE EXCEPTION 'Erasing was refused: % is no part of an event', which
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT EXISTS (SELECT 1 FROM audit_event e WHERE e.id = told_by AND e.verb = 'audit.content_erased'
                   AND NOT EXISTS (SELECT 1 FROM audit_position p WHERE p.event_id = e.id)) THEN
        RAISE EXCEPTION 'Erasing was refused: no new event of it is there' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT 1 FROM audit_event e WHERE e.id = ANY (wanted) AND e.verb LIKE 'audit.%') THEN
        RAISE EXCEPTION 'Erasing was refused: what the ledger says of itself stays'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(wanted) AS one (id) WHERE NOT EXISTS
               (SELECT 1 FROM audit_position p JOIN audit_leaf l ON l.index = p.position - 1
                 WHERE p.event_id = one.id)) THEN
        RAISE EXCEPTION 'Erasing was refused: an event is not sealed yet' USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Whoever places a hold waits for the end of this, and this for the hold.
    LOCK TABLE audit_legalhold IN SHARE MODE;
    IF EXISTS (SELECT 1 FROM audit_event e WHERE e.id = ANY (wanted) AND audit_is_held(e)) THEN
        RAISE EXCEPTION 'Erasing was refused: an event is under a legal hold'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT range_agg(int8range((span ->> 0)::bigint, (span ->> 1)::bigint, '[]')) INTO told
      FROM audit_payload t, jsonb_array_elements(t.data -> 'indexes') AS span
     WHERE t.event_id = told_by AND t.data ->> 'part' = which;
    IF told IS NULL OR EXISTS (SELECT 1 FROM audit_position p
                                WHERE p.event_id = ANY (wanted) AND NOT told @> (p.position - 1)) THEN
        RAISE EXCEPTION 'Erasing was refused: its event does not tell of all of it'
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Its payload has part and indexes, ranges of the leaves.';
    END IF;
    INSERT INTO audit_erasure (event_id, part, cause_id)
        SELECT DISTINCT one.id, which, told_by FROM unnest(wanted) AS one (id)
        ON CONFLICT (event_id, part) DO NOTHING;
    PERFORM set_config('audit.erasing', 'on', true);
    IF which = 'data' THEN
        DELETE FROM audit_payload WHERE event_id = ANY (wanted);
    ELSE
        UPDATE audit_event SET sentence = '', reason = '', actor_label = '', subject_label = '', words_salt = ''
         WHERE id = ANY (wanted) AND words_salt <> '';
    END IF;
    GET DIAGNOSTICS erased = ROW_COUNT;
    PERFORM set_config('audit.erasing', '', true);
    RETURN erased;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_reading_indexes")]
    operations = [migrations.RunSQL(SEALABLE), migrations.RunSQL(ERASE)]
