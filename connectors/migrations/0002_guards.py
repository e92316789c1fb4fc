from __future__ import annotations

from django.db import migrations

GRANT_TABLES = ["connectors_operationuserobjectpermission", "connectors_operationgroupobjectpermission"]


def attach(table: str) -> str:
    """Return the SQL that bumps the version of authority on every write to a table, whoever writes."""
    return (
        f"CREATE TRIGGER bump_authority AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION bump_authority();"
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER bump_authority;"
    )


# What an approval was bound to, what permitted a call, and what became of it, stay as they were written.
GUARDS = """
CREATE FUNCTION connectors_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: this record is kept as it was written', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER revision_kept BEFORE UPDATE OR TRUNCATE ON connectors_operationrevision
    FOR EACH STATEMENT EXECUTE FUNCTION connectors_refuse();
ALTER TABLE connectors_operationrevision ENABLE ALWAYS TRIGGER revision_kept;

CREATE FUNCTION connectors_authorization_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.consumed_at IS NOT NULL OR NEW.consumed_at IS NULL
       OR to_jsonb(NEW) - 'consumed_at' IS DISTINCT FROM to_jsonb(OLD) - 'consumed_at' THEN
        RAISE EXCEPTION 'an authorization is used up once and otherwise never changed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER authorization_once BEFORE UPDATE ON connectors_authorization
    FOR EACH ROW EXECUTE FUNCTION connectors_authorization_kept();
CREATE TRIGGER authorization_kept BEFORE DELETE OR TRUNCATE ON connectors_authorization
    FOR EACH STATEMENT EXECUTE FUNCTION connectors_refuse();
ALTER TABLE connectors_authorization ENABLE ALWAYS TRIGGER authorization_once;
ALTER TABLE connectors_authorization ENABLE ALWAYS TRIGGER authorization_kept;

CREATE FUNCTION connectors_call_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ending text[] := ARRAY['outcome', 'finished_at', 'status', 'request_summary', 'response_excerpt',
                           'remote_ref', 'error_code', 'error_message'];
BEGIN
    IF OLD.finished_at IS NOT NULL OR to_jsonb(NEW) - ending IS DISTINCT FROM to_jsonb(OLD) - ending THEN
        RAISE EXCEPTION 'a call is finished once and otherwise never changed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER call_once BEFORE UPDATE ON connectors_call
    FOR EACH ROW EXECUTE FUNCTION connectors_call_kept();
CREATE TRIGGER call_kept BEFORE DELETE OR TRUNCATE ON connectors_call
    FOR EACH STATEMENT EXECUTE FUNCTION connectors_refuse();
ALTER TABLE connectors_call ENABLE ALWAYS TRIGGER call_once;
ALTER TABLE connectors_call ENABLE ALWAYS TRIGGER call_kept;
"""
UNGUARD = """
DROP FUNCTION connectors_refuse() CASCADE;
DROP FUNCTION connectors_authorization_kept() CASCADE;
DROP FUNCTION connectors_call_kept() CASCADE;
"""
DETACH = "".join(f"DROP TRIGGER bump_authority ON {table};" for table in GRANT_TABLES)


class Migration(migrations.Migration):
    dependencies = [("connectors", "0001_initial"), ("agents", "0002_guards")]

    operations = [
        migrations.RunSQL("".join(attach(table) for table in GRANT_TABLES), DETACH),
        migrations.RunSQL(GUARDS, UNGUARD),
    ]
