"""What guards the seals, and lets content be erased by one function only, which leaves an event behind.

The payloads become partitions of a month each, by the time in their UUIDv7: what is empty can be dropped whole.
"""

from __future__ import annotations

from django.db import migrations

from audit.services import privileges

PARTITIONED = """
DROP TRIGGER audit_payload_append_only ON audit_payload;
ALTER TABLE audit_payload RENAME TO audit_payload_whole;
CREATE TABLE audit_payload (
    event_id uuid NOT NULL REFERENCES audit_event (id) DEFERRABLE INITIALLY DEFERRED,
    data jsonb NOT NULL,
    salt bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
    PRIMARY KEY (event_id)
) PARTITION BY RANGE (event_id);
"""

MOVED = """
SELECT audit_make_partitions(coalesce(
    (SELECT least(min(e.occurred_at), now()) FROM audit_event e JOIN audit_payload_whole p ON p.event_id = e.id), now()));
INSERT INTO audit_payload (event_id, data, salt) SELECT event_id, data, salt FROM audit_payload_whole;
DROP TABLE audit_payload_whole;
"""

FUNCTIONS = """
-- Whether the row of an erasure says that this part of this event goes. Row by row, for every role.
CREATE FUNCTION audit_keep_payload() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_erasure e WHERE e.event_id = OLD.event_id AND e.part = 'data') THEN
        RAISE EXCEPTION 'DELETE on % was refused: the ledger is append-only', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege', HINT = 'A payload is erased by audit_erase, which leaves an event.';
    END IF;
    RETURN OLD;
END $$;

-- The words of an event may go, all together, and nothing else of it.
CREATE FUNCTION audit_keep_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    blank audit_event;
BEGIN
    blank := OLD;
    blank.sentence := ''; blank.reason := ''; blank.actor_label := ''; blank.subject_label := '';
    blank.words_salt := '';
    IF NEW IS DISTINCT FROM blank
       OR NOT EXISTS (SELECT 1 FROM audit_erasure e WHERE e.event_id = OLD.id AND e.part = 'words') THEN
        RAISE EXCEPTION 'UPDATE on % was refused: the ledger is append-only', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege', HINT = 'Words are erased by audit_erase, which leaves an event.';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION audit_refuse_unless_erasing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('audit.erasing', true), '') <> 'on' THEN
        RAISE EXCEPTION '% on % was refused: the ledger is append-only', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege', HINT = 'Record a new event that says what changed.';
    END IF;
    RETURN NULL;
END $$;

-- The one way by which content leaves: named events, sealed before, and an event that tells of it.
CREATE FUNCTION audit_erase(told_by uuid, wanted uuid[], which text) RETURNS integer LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    erased integer;
BEGIN
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

CREATE FUNCTION audit_month_begins(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM date_trunc('month', at AT TIME ZONE 'UTC')) * 1000)::bigint), 12, '0')
            || repeat('0', 20))::uuid
$$;

-- Nobody works with a partition itself, and each refuses as the whole does.
CREATE FUNCTION audit_guard_partition(name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    holder record;
    one record;
BEGIN
    FOR holder IN SELECT DISTINCT grantee::regrole AS who FROM pg_class c, aclexplode(c.relacl) a
                   WHERE c.oid = name::regclass AND a.grantee NOT IN (0, c.relowner) LOOP
        EXECUTE format('REVOKE ALL ON %I FROM %s', name, holder.who);
    END LOOP;
    EXECUTE format('CREATE TRIGGER audit_payload_append_only BEFORE UPDATE OR TRUNCATE ON %I'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()', name);
    EXECUTE format('CREATE TRIGGER audit_payload_delete BEFORE DELETE ON %I'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_unless_erasing()', name);
    FOR one IN SELECT tgname FROM pg_trigger WHERE tgrelid = name::regclass AND NOT tgisinternal LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, one.tgname);
    END LOOP;
END $$;

-- The months from one time to three months from now; the sequencer asks daily. Returns how many are new. Writers
-- are never made to wait behind it for long: who does not get the lock asks again another day.
CREATE FUNCTION audit_make_partitions(since timestamptz DEFAULT now()) RETURNS integer LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    month timestamptz;
    name text;
    made integer := 0;
BEGIN
    FOR month IN SELECT generate_series(date_trunc('month', since AT TIME ZONE 'UTC'),
                                        date_trunc('month', now() AT TIME ZONE 'UTC') + interval '3 months',
                                        interval '1 month') AT TIME ZONE 'UTC' LOOP
        name := 'audit_payload_' || to_char(month AT TIME ZONE 'UTC', 'YYYYMM');
        IF to_regclass(name) IS NULL AND NOT EXISTS (
            SELECT 1 FROM audit_payload_other WHERE event_id >= audit_month_begins(month)
                                                AND event_id < audit_month_begins(month + interval '1 month 1 day')) THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF audit_payload FOR VALUES FROM (%L) TO (%L)', name,
                           audit_month_begins(month), audit_month_begins(month + interval '1 month 1 day'));
            PERFORM audit_guard_partition(name);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

-- Months that are over and of which nothing is left. Returns how many went.
CREATE FUNCTION audit_drop_empty_partitions() RETURNS integer LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    one record;
    is_empty boolean;
    gone integer := 0;
BEGIN
    FOR one IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'audit_payload'::regclass AND c.relname ~ '^audit_payload_[0-9]{6}$'
                  AND right(c.relname, 6) < to_char(now() AT TIME ZONE 'UTC', 'YYYYMM') LOOP
        EXECUTE format('SELECT NOT EXISTS (SELECT 1 FROM %I)', one.relname) INTO is_empty;
        IF is_empty THEN
            EXECUTE format('DROP TABLE %I', one.relname);
            gone := gone + 1;
        END IF;
    END LOOP;
    RETURN gone;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER audit_payload_append_only BEFORE UPDATE OR TRUNCATE ON audit_payload
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_payload_delete BEFORE DELETE ON audit_payload
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_unless_erasing();
CREATE TRIGGER audit_payload_keep BEFORE DELETE ON audit_payload
    FOR EACH ROW EXECUTE FUNCTION audit_keep_payload();
ALTER TABLE audit_payload ENABLE ALWAYS TRIGGER audit_payload_append_only;
ALTER TABLE audit_payload ENABLE ALWAYS TRIGGER audit_payload_delete;
ALTER TABLE audit_payload ENABLE ALWAYS TRIGGER audit_payload_keep;
CREATE TABLE audit_payload_other PARTITION OF audit_payload DEFAULT;
SELECT audit_guard_partition('audit_payload_other');

DROP TRIGGER audit_event_append_only ON audit_event;
CREATE TRIGGER audit_event_append_only BEFORE DELETE OR TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_event_update BEFORE UPDATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_unless_erasing();
CREATE TRIGGER audit_event_keep BEFORE UPDATE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_keep_event();
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_append_only;
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_update;
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_keep;
"""

GUARDED = ("audit_leaf", "audit_tile", "audit_checkpoint", "audit_signingkey", "audit_cosignature", "audit_erasure")


def guard(table: str) -> str:
    return f"""
        CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
        ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only;
    """


def restrict_ledger(apps, schema_editor):
    privileges.restrict_ledger(schema_editor.connection)


class Migration(migrations.Migration):
    # What is partitioned has to be moved whole, so there is no way back.
    dependencies = [("audit", "0004_sealing")]

    operations = [
        migrations.RunSQL(PARTITIONED),
        migrations.RunSQL(FUNCTIONS),
        migrations.RunSQL(TRIGGERS),
        migrations.RunSQL(MOVED),
        *[migrations.RunSQL(guard(table)) for table in GUARDED],
        migrations.RunPython(restrict_ledger, migrations.RunPython.noop),
    ]
